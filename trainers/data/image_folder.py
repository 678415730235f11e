"""Any folder of images with one subfolder per class; decoded once and cached as bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainers.data.cache import Cached, cached_images
from trainers.data.cifar10 import MEAN, STD
from trainers.data.cifar_files import NUM_TRAIN
from trainers.data.decode import check
from trainers.data.listing import Listing
from trainers.data.partition import DrawnSplit, cut
from trainers.data.parts import TRAIN, list_parts
from trainers.data.pictures import MODES, Alpha, Form
from trainers.data.refused import PicturesError, Refused
from trainers.data.splits import Facts, Normalisation, Source, Split, Splits
from trainers.data.uncut import Uncut, Views
from trainers.errors import Fault, SpecError
from trainers.paths import expanded

DRAWN = DrawnSplit()
MOST_SIZE = 512
MOST_UNCUT = 4096


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
    shorter_side: int | None = None,
    eval_shorter_side: int | None = None,
    views: Views = "centre",
    invert: bool = False,
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
        shorter_side: Keep pictures uncut, their shorter side scaled to this, which is `size` or
            more. They stay in the cache's file, out of which each batch cuts windows of `size`:
            in the centre, or as the augmentation `random_resized_crop` or `random_window` draws
            them. None: all images have `size`.
        eval_shorter_side: The same for the pictures that validate and test; None: `shorter_side`.
            With another one, pictures below `train` are decoded twice.
        views: Windows of each uncut picture that evaluation sees: its centre; or ten.
        invert: Take 1 - x of each value from 0 to 1, before `mean` and `std`.

    Raises:
        MissingDataError: If the folder does not exist.
        PicturesError: If files cannot be read or decoded; it names the first of them all.
        SpecError: If the folder's content differs from the options.
    """
    given = {"size": size, "channels": channels, "classes": classes, "mean": mean, "std": std}
    numbers = {"train_images": train_images, "validation": validation}
    folders = {"folder": folder, "test_folder": test_folder}
    scales = {"shorter_side": shorter_side, "eval_shorter_side": eval_shorter_side}
    uncut = {**scales, "views": views, "resize": resize}
    facts = image_folder_facts({**given, **numbers, **folders, **uncut})
    if not 0 < validation < train_images:
        what = f"must be between 1 and {train_images - 1}, got {validation}"
        raise SpecError(Fault("validation", what))
    form = Form(
        size=shorter_side or size,
        channels=channels,
        resize="uncut" if shorter_side else resize,
        alpha=alpha,
        upright=upright,
    )
    evaluated = form if eval_shorter_side is None else replace(form, size=eval_shorter_side)
    normalisation = Normalisation.of(mean, std, inverted=invert)
    root = data_dir / expanded(folder)
    # Decoding takes long, so all files are listed and compared first.
    listings = _listed(root, facts, form, test=test, test_folder=test_folder)
    wanted = [(listings[0], form), *((listing, evaluated) for listing in listings[1:])]
    if evaluated != form:
        # Validation images lie below `train`, and are seen at the size of the test images.
        wanted.insert(1, (listings[0], evaluated))
    images = _decoded(wanted, data_dir=data_dir)

    def part(number: int) -> Split:
        labels = torch.tensor([file.label for file in wanted[number][0].files])
        pixels, sizes = images[number]
        kept = None
        if sizes is not None:
            kept = Uncut.of(sizes, channels=channels, size=size, views=views)
        return Split(images=pixels, labels=labels, normalisation=normalisation, uncut=kept)

    train, validating = cut(part(0), validation=validation, choice=split, data_dir=data_dir)
    if evaluated != form:
        _, validating = cut(part(1), validation=validation, choice=split, data_dir=data_dir)
    testing = part(-1) if len(listings) > 1 else None
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


def _decoded(wanted: Sequence[tuple[Listing, Form]], *, data_dir: Path) -> list[Cached]:
    """Returns the images of each part; tries all parts, so that the error names files of all."""
    images: list[Cached] = []
    faults: list[Fault] = []
    for listing, form in wanted:
        try:
            images.append(cached_images(listing, form, data_dir=data_dir))
        except PicturesError as error:
            faults += [fault for fault in error.faults if fault not in faults]
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
    faults += _size_faults(options)
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
        uncut=options["shorter_side"] is not None,
    )


def _size_faults(options: Mapping[str, Any]) -> list[Fault]:
    size, shorter = options["size"], options["shorter_side"]
    if shorter is None:
        faults = []
        if size > MOST_SIZE:
            what = f"must be {MOST_SIZE} or less, got {size}"
            hint = "decoded images must fit into memory; with shorter_side they need not"
            faults.append(Fault("size", what, hint))
        if options["views"] != "centre":
            hint = "set shorter_side above size, such as 256 for 224"
            faults.append(Fault("views", "images of one size have no other windows", hint))
        if options["eval_shorter_side"] is not None:
            what = "all images have one size, in training and in evaluation"
            hint = "set shorter_side too, such as 256 for 224, and 302 to evaluate"
            faults.append(Fault("eval_shorter_side", what, hint))
        return faults
    for name in ("shorter_side", "eval_shorter_side"):
        if options[name] is not None and not size <= options[name] <= MOST_UNCUT:
            what = f"must be between size, {size}, and {MOST_UNCUT}, got {options[name]}"
            return [Fault(name, what)]
    if options["resize"]:
        return [Fault("resize", "has no use beside shorter_side, which scales all pictures")]
    return []


IMAGE_FOLDER_SOURCE = Source(
    load=load_image_folder,
    shape=(3, 32, 32),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    facts_of=image_folder_facts,
)
