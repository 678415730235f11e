"""Which subfolders of an image folder train and test, and whether they hold what a spec says."""

from pathlib import Path

from trainers.data.listing import Listing, list_images
from trainers.data.news import shown, tell
from trainers.data.refused import Refused
from trainers.data.splits import Facts
from trainers.errors import Fault, MissingDataError, SpecError, did_you_mean

TRAIN = "train"
TESTS = ("test", "val")
"""Folders that may test; the first one that exists does, unless the spec names one."""


def list_parts(
    root: Path, facts: Facts, refused: Refused, *, test: bool, test_folder: str | None
) -> tuple[Listing, Listing | None]:
    """Lists the training part and the test part, and compares them with the spec.

    Args:
        root: The image folder.
        facts: What the spec says about it.
        refused: Receives files that cannot be used. If there are any, numbers are not compared.
        test: Also list the test part; else its folder is not opened.
        test_folder: The subfolder that tests; None: `test`, or `val` if only that exists.

    Returns:
        The training part, and the test part if asked for.

    Raises:
        MissingDataError: If a folder does not exist or cannot be read.
        SpecError: If the folders differ from the spec.
    """
    training = _listed(root, TRAIN, refused)
    if not test:
        if not refused:
            _raise(_other_numbers(training, facts))
        return training, None
    there = [name for name in TESTS if (root / name).is_dir()]
    chosen = test_folder or (there or TESTS)[0]
    # Published data sets have a `test` without labels beside a `val` with them.
    hints = [_passed_over(root / chosen, name) for name in there[1:] if test_folder is None]
    try:
        testing = _listed(root, chosen, refused)
    except SpecError as error:
        refused.check()
        raise type(error)(*error.faults, *hints) from error
    if refused:
        return training, testing
    other_classes = _other_classes(training, testing)
    _raise(_other_numbers(training, facts) + other_classes + (hints if other_classes else []))
    for hint in hints:
        tell(f"{hint.what}; {hint.hint}")
    return training, testing


def _listed(root: Path, name: str, refused: Refused) -> Listing:
    try:
        return list_images(root / name, refused)
    except MissingDataError as error:
        try:
            there = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
        except OSError:
            there = []
        if not there:
            raise
        names = ", ".join(shown(folder) for folder in there[:10])
        beside = Fault("folder", f"{shown(root)} has the folders {names}")
        raise MissingDataError(*error.faults, beside) from error


def _passed_over(tests: Path, name: str) -> Fault:
    what = f"{shown(tests)} tests, and {name}/ beside it is not read"
    return Fault("test_folder", what, f"write `test_folder: {name}` to test on that")


def _other_numbers(training: Listing, facts: Facts) -> list[Fault]:
    """Faults if the numbers of classes or images are not those of the spec."""
    faults: list[Fault] = []
    folder = shown(training.folder)
    if len(training.classes) != facts.num_classes:
        number = len(training.classes)
        what = f"{folder} has {number} classes, not {facts.num_classes}"
        faults.append(Fault("classes", what, f"write classes: {number}"))
    if len(training.files) != facts.num_train:
        number = len(training.files)
        what = f"{folder} has {number:,} images, not {facts.num_train:,}"
        hint = f"write train_images: {number}"
        if training.others:
            hint += f"; {training.others:,} files without a suffix of images are not counted"
        faults.append(Fault("train_images", what, hint))
    return faults


def _other_classes(training: Listing, testing: Listing) -> list[Fault]:
    """Faults if one of the parts has a class that the other has not."""
    faults: list[Fault] = []
    for here, there in ((training, testing), (testing, training)):
        only = sorted(set(here.classes) - set(there.classes))
        if only:
            names = ", ".join(shown(name) for name in only[:3])
            near = did_you_mean(only[0], set(there.classes) - set(here.classes))
            what = (
                f"{shown(there.folder)} has no class {names}{near}, but {shown(here.folder)} has"
            )
            faults.append(Fault("folder", what))
    return faults


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise SpecError(*faults)
