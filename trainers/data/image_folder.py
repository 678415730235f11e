"""Any folder of small images with one subfolder per class; decoded once and cached as bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainers.data.cache import cached_images
from trainers.data.cifar10 import MEAN, STD
from trainers.data.cifar_files import NUM_TRAIN
from trainers.data.decode import MODES, Form, Listing, list_images
from trainers.data.partition import DrawnSplit, cut
from trainers.data.splits import Facts, Normalisation, Source, Split, Splits
from trainers.errors import Fault, SpecError
from trainers.paths import expanded

DRAWN = DrawnSplit()
MOST_SIZE = 512


def load_image_folder(
    data_dir: Path,
    test: bool = True,
    *,
    folder: str,
    size: int = 32,
    channels: int = 3,
    classes: int = 10,
    train_images: int = NUM_TRAIN,
    validation: int = 5000,
    split: DrawnSplit = DRAWN,
    resize: bool = False,
    mean: tuple[float, ...] = MEAN,
    std: tuple[float, ...] = STD,
) -> Splits:
    """Loads the images as bytes, with mean and standard deviation of each channel.

    A study is checked long before the folder is read. So the spec states what the folder holds,
    and this function compares the two. The defaults describe CIFAR-10 as image files.

    Args:
        data_dir: Base of a relative `folder`; its subfolder `.bnn-cache` caches decoded images.
        test: Also read the test part; else its folder is not opened.
        folder: Folder with `train/CLASS/` and `test/CLASS/` or `val/CLASS/`; may begin with `~`.
        size: Height and width of the images.
        channels: 3: colour; 1: grey.
        classes: Number of classes; they are numbered by folder name.
        train_images: Number of images below `train`.
        validation: How many of these are for validation.
        split: Which images these are.
        resize: Scale the shorter side of images of other sizes to `size`, then crop the centre.
        mean: Mean of each channel, for values from 0 to 1.
        std: Standard deviation of each channel, likewise.

    Raises:
        MissingDataError: If the folder does not exist, or a file cannot be decoded.
        SpecError: If the folder's content differs from the options.
    """
    given = {"size": size, "channels": channels, "classes": classes, "mean": mean, "std": std}
    numbers = {"train_images": train_images, "validation": validation, "folder": folder}
    facts = image_folder_facts({**given, **numbers})
    if not 0 < validation < train_images:
        what = f"must be between 1 and {train_images - 1}, got {validation}"
        raise SpecError(Fault("validation", what))
    root = data_dir / expanded(folder)
    form = Form(size=size, channels=channels, resize=resize)
    normalisation = Normalisation.of(mean, std)

    def part(listing: Listing) -> Split:
        return Split(
            images=cached_images(listing, form, data_dir=data_dir),
            labels=torch.tensor([file.label for file in listing.files]),
            normalisation=normalisation,
        )

    # Decoding takes long, so all files are listed and compared first.
    training = list_images(root / "train")
    testing = list_images(_test_folder(root)) if test else None
    _compare(training, testing, facts)
    train, validating = cut(part(training), validation=validation, choice=split, data_dir=data_dir)
    return Splits(
        train=train, validation=validating, test=None if testing is None else part(testing)
    )


def image_folder_facts(options: Mapping[str, Any]) -> Facts:
    """Returns the facts that the options state about the folder.

    Raises:
        SpecError: If an option has an impossible value.
    """
    faults = [
        Fault(name, f"must be {low} or more, got {options[name]}")
        for name, low in (("size", 1), ("classes", 2), ("train_images", 2))
        if options[name] < low
    ]
    if options["size"] > MOST_SIZE:
        what = f"must be {MOST_SIZE} or less, got {options['size']}"
        faults.append(Fault("size", what, "all decoded images must fit into memory"))
    channels = options["channels"]
    if channels not in MODES:
        faults.append(Fault("channels", f"must be 1 (grey) or 3 (colour), got {channels}"))
    for name in ("mean", "std"):
        if channels in MODES and len(options[name]) != channels:
            what = f"has {len(options[name])} numbers for {channels} channels"
            faults.append(Fault(name, what))
    if any(number <= 0 for number in options["std"]):
        faults.append(Fault("std", f"must be above 0, got {list(options['std'])}"))
    if options["folder"] == "":
        faults.append(Fault("folder", "is empty", "name a folder below the data folder"))
    if faults:
        raise SpecError(*faults)
    return Facts(
        shape=(channels, options["size"], options["size"]),
        num_classes=options["classes"],
        num_train=options["train_images"],
        num_validation=options["validation"],
    )


def _test_folder(root: Path) -> Path:
    """Returns the folder `test`, or `val` if only that exists."""
    names = [name for name in ("test", "val") if (root / name).is_dir()]
    return root / (names[0] if names else "test")


def _compare(training: Listing, testing: Listing | None, facts: Facts) -> None:
    """Raises SpecError if the folder's content differs from the spec."""
    faults: list[Fault] = []
    if len(training.classes) != facts.num_classes:
        number = len(training.classes)
        what = f"{training.folder} has {number} classes, not {facts.num_classes}"
        faults.append(Fault("classes", what, f"write classes: {number}"))
    if len(training.files) != facts.num_train:
        number = len(training.files)
        what = f"{training.folder} has {number:,} images, not {facts.num_train:,}"
        faults.append(Fault("train_images", what, f"write train_images: {number}"))
    if testing is not None and testing.classes != training.classes:
        for here, there in ((training, testing), (testing, training)):
            only = sorted(set(here.classes) - set(there.classes))
            if only:
                what = f"{there.folder} has no class {', '.join(only[:3])}, but {here.folder} has"
                faults.append(Fault("folder", what))
    if faults:
        raise SpecError(*faults)


IMAGE_FOLDER_SOURCE = Source(
    load=load_image_folder,
    shape=(3, 32, 32),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    facts_of=image_folder_facts,
)
