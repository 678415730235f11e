"""Reads the published Python files of CIFAR-10 and CIFAR-100 with torchvision."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainers.data.download import download
from trainers.data.news import reason_of
from trainers.data.partition import SPLIT_SEED, SplitChoice, cut
from trainers.data.splits import Normalisation, Source, Split, Splits
from trainers.errors import Fault, MissingDataError, SpecError

NUM_TRAIN, NUM_VALIDATION = 50_000, 5_000
DRAWN = SplitChoice(seed=SPLIT_SEED)
Channels = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class CifarFiles:
    """The files of one of the two data sets.

    Args:
        title: Name in messages.
        dataset: Name of torchvision's class.
        folder: Folder of the files, below the data folder.
        names: The files: class names, the training part, and last the test part.
    """

    title: str
    dataset: str
    folder: str
    names: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the files, below the data folder."""
        return tuple(Path(self.folder, name) for name in self.names)

    @property
    def url(self) -> str:
        """Where torchvision finds their archive."""
        return f"https://www.cs.toronto.edu/~kriz/{self.title.lower()}-python.tar.gz"


def cifar_source(files: CifarFiles, *, mean: Channels, std: Channels, num_classes: int) -> Source:
    """Returns the facts of one of the two data sets, with the function that loads it.

    Args:
        files: Files of the data set.
        mean: Mean of each channel over the training images, for values from 0 to 1.
        std: Standard deviation of each channel, likewise.
        num_classes: Number of classes.
    """
    usual_mean, usual_std = mean, std

    def load(
        data_dir: Path,
        test: bool = True,
        *,
        validation: int = NUM_VALIDATION,
        split: SplitChoice = DRAWN,
        mean: Channels = usual_mean,
        std: Channels = usual_std,
    ) -> Splits:
        """Loads the images as bytes, with mean and standard deviation of each channel.

        Args:
            data_dir: Folder of the data sets; missing files are downloaded into it.
            test: Also read the test file; else it may be missing.
            validation: How many of the 50,000 training images are for validation.
            split: Which images these are; a split file counts them in the data set's own order.
            mean: Mean of each channel, for values from 0 to 1.
            std: Standard deviation of each channel, likewise.

        Raises:
            MissingDataError: If the files are missing and cannot be downloaded, or are damaged.
            SpecError: If `validation` is out of range, `std` is not positive, or a split file does
                not fit.
        """
        if not 0 < validation < NUM_TRAIN:
            what = f"must be between 1 and {NUM_TRAIN - 1}, got {validation}"
            raise SpecError(Fault("validation", what))
        if min(std) <= 0:
            raise SpecError(Fault("std", f"must be above 0, got {list(std)}"))
        needed = files.paths if test else files.paths[:-1]
        normalisation = Normalisation.of(mean, std)
        whole = _read(files, data_dir, needed, normalisation, train=True)
        training, validating = cut(whole, validation=validation, choice=split, data_dir=data_dir)
        return Splits(
            train=training,
            validation=validating,
            test=_read(files, data_dir, needed, normalisation, train=False) if test else None,
        )

    return Source(
        load=load,
        shape=(3, 32, 32),
        num_classes=num_classes,
        num_train=NUM_TRAIN,
        num_validation=NUM_VALIDATION,
        files=files.paths,
    )


def _read(
    files: CifarFiles,
    data_dir: Path,
    needed: tuple[Path, ...],
    normalisation: Normalisation,
    *,
    train: bool,
) -> Split:
    present = all((data_dir / file).is_file() for file in needed)
    try:
        if not present:
            _download(files, data_dir)
        whole = _class_of(files)
        # Only one part, because torchvision's own class checks the files of both.
        lists = {"train_list": whole.train_list if train else []}
        lists |= {"test_list": [] if train else whole.test_list}
        part = type("Part", (whole,), lists)
        # The files are pickles, which could run any code; torchvision checks their MD5 first.
        data = part(str(data_dir), train=train)
    # torchvision raises RuntimeError for errors of urllib and for a wrong MD5.
    except (RuntimeError, OSError, ValueError) as error:
        with suppress(OSError):
            data_dir.rmdir()
        raise MissingDataError(_missing(files, data_dir, error, needed, present)) from error
    return Split(
        images=torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor(data.targets, dtype=torch.int64),
        normalisation=normalisation,
    )


def _download(files: CifarFiles, data_dir: Path) -> None:
    archive = data_dir / files.url.rpartition("/")[2]
    download(
        lambda: _class_of(files)(str(data_dir), download=True),
        title=f"{files.title} (170 MB)",
        url=files.url,
        folder=data_dir,
        files=[archive, data_dir / files.folder],
    )


def _class_of(files: CifarFiles) -> Any:
    # Imported late: this takes longer than everything else a worker does before its first epoch.
    from torchvision import datasets

    return getattr(datasets, files.dataset)


def _missing(
    files: CifarFiles, data_dir: Path, error: Exception, needed: tuple[Path, ...], present: bool
) -> Fault:
    reason = reason_of(error)
    state = "cannot be read" if present else "is missing and could not be downloaded"
    expected = ", ".join(file.name for file in needed)
    place = data_dir.resolve() / files.folder
    return Fault(
        "",
        f"{files.title} {state}: looked in {place} for {expected} ({reason})",
        f"name the folder that holds {files.folder}/ with --data-dir or BNN_DATA_DIR; without a "
        "network, copy these files there from another machine; or write "
        "{name: image_folder, folder: ...} for a folder with train/CLASS/ and test/CLASS/",
    )
