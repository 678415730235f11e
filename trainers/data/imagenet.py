"""ImageNet: 1,000 classes of photographs, which stay in their files and are decoded by batch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainers.data.cache import cached_images
from trainers.data.listing import Listing
from trainers.data.news import shown
from trainers.data.partition import DrawnSplit, cut
from trainers.data.parts import TRAIN, list_parts
from trainers.data.pictures import Form
from trainers.data.refused import Refused
from trainers.data.splits import Facts, Normalisation, Source, Split, Splits
from trainers.data.streamed import Streamed
from trainers.data.uncut import Uncut
from trainers.errors import Fault, MissingDataError, SpecError
from trainers.paths import expanded

SHAPE = (3, 224, 224)
NUM_CLASSES, NUM_TRAIN = 1000, 1_281_167
NUM_VALIDATION = 10_000
"""Ten a class, held out of the training images. The published protocol holds out none."""
VAL = "val"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DRAWN = DrawnSplit()
LEAST_IMAGES = 2


def load_imagenet(
    data_dir: Path,
    test: bool = True,
    *,
    folder: str = "imagenet",
    classes: int = NUM_CLASSES,
    train_images: int = NUM_TRAIN,
    validation: int | Literal["val"] = NUM_VALIDATION,
    split: DrawnSplit = DRAWN,
    size: int = SHAPE[1],
    shorter_side: int = 256,
    packed: bool = False,
) -> Splits:
    """Lists the photographs; they are decoded when a batch needs them.

    Evaluation sees the centre of a photograph, scaled to 256 pixels on its shorter side. Training
    sees the same without `data.augment.random_resized_crop`, and with it a random box.

    Args:
        data_dir: Base of a relative `folder`.
        test: Also list the test part; else its folder is not opened.
        folder: Folder with `train/CLASS/` and `val/CLASS/`. May begin with `~`.
        classes: Number of classes; fewer for a part of ImageNet.
        train_images: Number of photographs below `train`.
        validation: How many of these are for validation, while `val` tests; or `val`: that folder
            validates, as in published code, and there is no test part.
        split: Which photographs are for validation.
        size: Height and width of the images that the network gets.
        shorter_side: To which the shorter side is scaled in evaluation; `size` or more.
        packed: Read photographs that `bnn-orchestrate data pack` decoded before, scaled so. Boxes
            are cut out of these: other pixels than those of the published pipelines, in less time.

    Raises:
        MissingDataError: If the folder does not exist, or files in it cannot be used, or nothing
            is packed.
        SpecError: If the folder's content differs from the options, or `val` shall validate and
            test.
    """
    root = data_dir / expanded(folder)
    facts = imagenet_facts(
        {
            "classes": classes,
            "train_images": train_images,
            "validation": validation,
            "size": size,
            "shorter_side": shorter_side,
            "packed": packed,
        }
    )
    if validation == VAL and test:
        what = "the folder val validates, so there is no test part"
        raise SpecError(Fault("validation", what, "set measure_test: false, or a number here"))
    if not (root / TRAIN).is_dir():
        what = f"there is no folder {shown((root / TRAIN).absolute())}"
        hint = "`data prepare imagenet --from DIR --to DIR` makes it from the published archives"
        raise MissingDataError(Fault("folder", what, hint))
    refused = Refused()
    training, evaluated = list_parts(
        root, facts, refused, test=test or validation == VAL, test_folder=VAL
    )
    refused.check()

    def part(listing: Listing) -> Split:
        images, uncut = torch.empty(0, dtype=torch.uint8), None
        if packed:
            images, sizes = _packed(listing, data_dir, shorter_side)
            uncut = Uncut.of(sizes, channels=SHAPE[0], size=size, views="centre", ahead=True)
        return Split(
            images=images,
            labels=torch.tensor([file.label for file in listing.files]),
            normalisation=Normalisation.of(MEAN, STD),
            uncut=uncut or Streamed.of(listing, size=size, shorter_side=shorter_side),
        )

    whole = part(training)
    if validation == VAL:
        assert evaluated is not None
        return Splits(train=whole, validation=part(evaluated))
    assert isinstance(validation, int)
    train, validating = cut(whole, validation=validation, choice=split, data_dir=data_dir)
    return Splits(
        train=train,
        validation=validating,
        test=None if evaluated is None else part(evaluated),
    )


def _packed(listing: Listing, data_dir: Path, shorter_side: int) -> tuple[Tensor, Tensor]:
    """Returns the bytes of all photographs, and the height and width of each."""
    try:
        found = cached_images(listing, packed_form(shorter_side), data_dir=data_dir, decodes=False)
    except MissingDataError as error:
        what = "; ".join(fault.what for fault in error.faults)
        hint = "`data pack imagenet` decodes them; it asks for the disk first"
        raise MissingDataError(Fault("packed", what, hint)) from error
    assert found.sizes is not None
    return found.pixels, found.sizes


def packed_form(shorter_side: int) -> Form:
    """What a photograph becomes when it is packed."""
    return Form(size=shorter_side, channels=SHAPE[0], resize="uncut")


def imagenet_facts(options: Mapping[str, Any]) -> Facts:
    """Returns the facts that the options state about the folder.

    Raises:
        SpecError: If an option has an impossible value.
    """
    size, shorter, images = options["size"], options["shorter_side"], options["train_images"]
    faults = [
        Fault(name, f"must be {low} or more, got {options[name]}")
        for name, low in (("size", 1), ("classes", 2), ("train_images", LEAST_IMAGES))
        if options[name] < low
    ]
    if shorter < size:
        faults.append(Fault("shorter_side", f"must be size, {size}, or more, got {shorter}"))
    validation = options["validation"]
    if validation != VAL and images >= LEAST_IMAGES and not 1 <= validation < images:
        what = f"must be between 1 and {images - 1}, got {validation}"
        faults.append(Fault("validation", what, "or write val, and that folder validates"))
    if faults:
        raise SpecError(*faults)
    return Facts(
        shape=(SHAPE[0], size, size),
        num_classes=options["classes"],
        num_train=images,
        num_validation=0 if validation == VAL else validation,
        uncut=options["packed"],
    )


IMAGENET_SOURCE = Source(
    load=load_imagenet,
    shape=SHAPE,
    num_classes=NUM_CLASSES,
    num_train=NUM_TRAIN,
    num_validation=NUM_VALIDATION,
    facts_of=imagenet_facts,
)
"""Facts of ILSVRC 2012, arXiv:1409.0575."""
