"""Any folder of small images with one subfolder per class; decoded once and cached as bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.data.cache import cached_images
from trainers.data.cifar10 import MEAN, STD
from trainers.data.cifar_files import NUM_TRAIN
from trainers.data.decode import check
from trainers.data.listing import Listing
from trainers.data.partition import DrawnSplit, cut
from trainers.data.parts import TRAIN, list_parts
from trainers.data.pictures import MODES, Alpha, Form
from trainers.data.refused import PicturesError, Refused
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
    alpha: Alpha = "refuse",
    upright: bool = False,
    test_folder: str | None = None,
    mean: tuple[float, ...] = MEAN,
    std: tuple[float, ...] = STD,
) -> Splits:
    """Loads the images as bytes, with mean and standard deviation of each channel.

    A study is checked long before the folder is read. So the spec states what the folder holds,
    and this function compares the two. The defaults describe CIFAR-10 as image files.

    Args:
        data_dir: Base of a relative `folder`; its subfolder `.bnn-cache` caches decoded images.
        test: Also read the test part; else its folder is not opened.
        folder: Folder with `train/CLASS/` and `test/CLASS/` or `val/CLASS/`; the images of a class
            lie in its folder, or all in folders below it. May begin with `~`.
        size: Height and width of the images.
        channels: 3: colour; 1: grey.
        classes: Number of classes; they are numbered by folder name.
        train_images: Number of images below `train`.
        validation: How many of these are for validation.
        split: Which images these are.
        resize: Scale the shorter side of images of other sizes to `size`, then crop the centre.
        alpha: Images with transparent pixels are refused, lose their alpha channel, or are laid on
            white or black.
        upright: Turn images as their EXIF orientation says.
        test_folder: Subfolder that tests; None: `test`, or `val` if only that exists.
        mean: Mean of each channel, for values from 0 to 1.
        std: Standard deviation of each channel, likewise.

    Raises:
        MissingDataError: If the folder does not exist.
        PicturesError: If files cannot be read or decoded; it names the first of them all.
        SpecError: If the folder's content differs from the options.
    """
    given = {"size": size, "channels": channels, "classes": classes, "mean": mean, "std": std}
    numbers = {"train_images": train_images, "validation": validation}
    folders = {"folder": folder, "test_folder": test_folder}
    facts = image_folder_facts({**given, **numbers, **folders})
    if not 0 < validation < train_images:
        what = f"must be between 1 and {train_images - 1}, got {validation}"
        raise SpecError(Fault("validation", what))
    form = Form(size=size, channels=channels, resize=resize, alpha=alpha, upright=upright)
    normalisation = Normalisation.of(mean, std)
    root = data_dir / expanded(folder)
    # Decoding takes long, so all files are listed and compared first.
    listings = _listed(root, facts, form, test=test, test_folder=test_folder)
    images = _decoded(listings, form, data_dir=data_dir)

    def part(number: int) -> Split:
        labels = torch.tensor([file.label for file in listings[number].files])
        return Split(images=images[number], labels=labels, normalisation=normalisation)

    train, validating = cut(part(0), validation=validation, choice=split, data_dir=data_dir)
    testing = part(1) if len(listings) > 1 else None
    return Splits(train=train, validation=validating, test=testing)


def _listed(
    root: Path, facts: Facts, form: Form, *, test: bool, test_folder: str | None
) -> list[Listing]:
    """Returns the files of each part; if some are refused, tries to decode the others, too."""
    refused = Refused()
    training, testing = list_parts(root, facts, refused, test=test, test_folder=test_folder)
    listings = [training] if testing is None else [training, testing]
    if refused:
        for listing in listings:
            check(listing, form, refused)
        refused.check()
    return listings


def _decoded(listings: Sequence[Listing], form: Form, *, data_dir: Path) -> list[Tensor]:
    """Returns the images of each part; tries all parts, so that the error names files of all."""
    images: list[Tensor] = []
    faults: list[Fault] = []
    for listing in listings:
        try:
            images.append(cached_images(listing, form, data_dir=data_dir))
        except PicturesError as error:
            faults += error.faults
    if faults:
        raise PicturesError(*faults)
    return images


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
    test_folder = options["test_folder"]
    if test_folder == "":
        faults.append(Fault("test_folder", "is empty", "name a folder, such as val"))
    elif test_folder is not None and Path(test_folder) == Path(TRAIN):
        faults.append(Fault("test_folder", "would test on the images that train"))
    if faults:
        raise SpecError(*faults)
    return Facts(
        shape=(channels, options["size"], options["size"]),
        num_classes=options["classes"],
        num_train=options["train_images"],
        num_validation=options["validation"],
    )


IMAGE_FOLDER_SOURCE = Source(
    load=load_image_folder,
    shape=(3, 32, 32),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    facts_of=image_folder_facts,
)
