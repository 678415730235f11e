"""Splits training images into training and validation part: by seed, or by a file."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from trainers.binding import Record, show
from trainers.data.splits import Split
from trainers.errors import Fault, MissingDataError, SpecError
from trainers.paths import expanded
from trainers.seeding import generator

SPLIT_SEED = 316
"""Seed of the split, not of a trial: trials with different seeds train on the same images."""
PARTS = ("train", "validation")


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnSplit(Record):
    """Draws the validation images at random.

    Args:
        seed: Seed of this draw alone.

    Raises:
        SpecError: If the seed is negative.
    """

    kind: ClassVar[str] = "split"

    seed: int = SPLIT_SEED

    def __post_init__(self) -> None:
        """Checks the seed."""
        if self.seed < 0:
            raise SpecError(Fault("seed", f"must be 0 or more, got {self.seed}"))


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitChoice(Record):
    """Draws the validation images at random, or reads them from a file.

    Args:
        seed: Seed of this draw alone.
        file: A JSON file `{"train": [...], "validation": [...]}` with image numbers in the data
            set's own order, from 0; a relative path is below the data folder.

    Raises:
        SpecError: If not exactly one of the two is given, or the seed is negative.
    """

    kind: ClassVar[str] = "split"

    seed: int | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        """Checks that exactly one of the two is given."""
        if (self.seed is None) == (self.file is None):
            raise SpecError("expected either {seed: N} or {file: NAME}")
        if self.seed is not None:
            DrawnSplit(seed=self.seed)


def cut(
    whole: Split, *, validation: int, choice: SplitChoice | DrawnSplit, data_dir: Path
) -> tuple[Split, Split]:
    """Splits images into training and validation part, which share the images without a copy.

    Args:
        whole: All images outside the test part.
        validation: Number of validation images; at least 1, fewer than all.
        choice: How the validation images are chosen.
        data_dir: Base of a relative file path.

    Raises:
        MissingDataError: If the split file does not exist.
        SpecError: If the split file does not list every image exactly once.
    """
    if isinstance(choice, SplitChoice) and choice.file is not None:
        path = data_dir / expanded(choice.file)
        train, validating = listed(path, num=len(whole), validation=validation)
    else:
        assert choice.seed is not None
        train, validating = drawn(len(whole), validation=validation, seed=choice.seed)
    first, second = (
        replace(whole, rows=rows, labels=whole.labels.index_select(0, rows))
        for rows in (train, validating)
    )
    return first, second


def drawn(num: int, *, validation: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws the numbers of the training and of the validation images, each in rising order."""
    order = torch.randperm(num, generator=generator(seed, "split"))
    return order[validation:].sort().values, order[:validation].sort().values


def listed(path: Path, *, num: int, validation: int) -> tuple[Tensor, Tensor]:
    """Reads the numbers of the training and of the validation images, in the file's order.

    Args:
        path: The JSON file.
        num: Number of images; the file must list each exactly once.
        validation: How many images the file must list for validation.

    Raises:
        MissingDataError: If the file does not exist.
        SpecError: If the file is not JSON or does not list what it must.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        what = f"there is no file {path.absolute()}"
        hint = "a relative path is below the data folder; {seed: N} needs no file"
        raise MissingDataError(Fault("split.file", what, hint)) from error
    except (OSError, ValueError) as error:
        raise _unfit(path, f"is not readable JSON ({error})") from error
    if not isinstance(content, dict) or not set(PARTS) <= content.keys():
        found = ", ".join(map(str, content)) if isinstance(content, dict) else show(content)
        raise _unfit(path, f"must hold the lists train and validation, got {found or 'nothing'}")
    places: dict[str, list[int]] = {}
    for part, wanted in zip(PARTS, (num - validation, validation), strict=True):
        places[part] = numbers = content[part]
        if not isinstance(numbers, list) or len(numbers) != wanted:
            count = f"{len(numbers):,}" if isinstance(numbers, list) else show(numbers)
            what = f"{part} must list {wanted:,} of {num:,} images, got {count}"
            raise _unfit(path, what, "the option `validation` sets this number")
        for number in numbers:
            if type(number) is not int or not 0 <= number < num:
                what = f"{part} must list whole numbers from 0 to {num - 1}, got {show(number)}"
                raise _unfit(path, what)
    seen: set[int] = set()
    for number in (*places["train"], *places["validation"]):
        if number in seen:
            raise _unfit(path, f"lists image {number} twice", "list each image once, in one part")
        seen.add(number)
    return torch.tensor(places["train"]), torch.tensor(places["validation"])


def _unfit(path: Path, what: str, hint: str = "") -> SpecError:
    return SpecError(Fault("split.file", f"{path.name}: {what}", hint))
