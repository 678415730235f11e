"""Folders of grey sketches, as the code published with arXiv:1804.02941 reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.data.image_folder import load_image_folder
from trainers.data.partition import DrawnSplit
from trainers.data.pictures import Alpha
from trainers.data.splits import Facts, Source, Splits
from trainers.data.uncut import Views
from trainers.errors import Fault, SpecError

DRAWN = DrawnSplit()
SHORTER_SIDE, SIZE = 256, 224


@dataclass(frozen=True, kw_only=True, slots=True)
class Sketches:
    """What one of the two folders holds.

    Args:
        folder: The folder, below the data folder, with `train/CLASS/` and `val/CLASS/`.
        classes: Number of classes.
        train_images: Usual number of sketches below `train`.
        validation: How many of these are for validation.
        mean: Mean of the inverted sketches, for values from 0 to 1.
        std: What the published code divides them by.
    """

    folder: str
    classes: int
    train_images: int
    validation: int
    mean: float
    std: float


def sketch_source(sketches: Sketches) -> Source:
    """Returns the facts of one of the two folders, with the function that loads it."""

    def load(
        data_dir: Path,
        test: bool = True,
        *,
        size: int = SIZE,
        train_images: int = sketches.train_images,
        validation: int = sketches.validation,
        split: DrawnSplit = DRAWN,
        views: Views = "ten",
        alpha: Alpha = "refuse",
    ) -> Splits:
        """Loads the sketches as bytes, uncut, 256 pixels on their shorter side; `val` tests.

        Strokes become bright: 1 - x of each value, then normalised as published.

        Args:
            data_dir: Folder of the data sets.
            test: Also read the test part; else its folder is not opened.
            size: Height and width of the images that the network gets; 256 or less.
            train_images: Number of sketches below `train`.
            validation: How many of these are for validation.
            split: Which sketches these are.
            views: What evaluation sees of each sketch: its centre; or ten windows.
            alpha: What becomes of transparent pixels, as for any image folder.

        Raises:
            MissingDataError: If the folder does not exist, or files in it cannot be used.
            SpecError: If the folder's content differs from the options.
        """
        return load_image_folder(
            data_dir,
            test,
            folder=sketches.folder,
            size=size,
            channels=1,
            classes=sketches.classes,
            train_images=train_images,
            validation=validation,
            split=split,
            alpha=alpha,
            test_folder="val",
            mean=(sketches.mean,),
            std=(sketches.std,),
            shorter_side=SHORTER_SIDE,
            views=views,
            invert=True,
        )

    def facts_of(options: Mapping[str, Any]) -> Facts:
        """Returns the facts that the options state.

        Raises:
            SpecError: If an option has an impossible value.
        """
        size, num_train = options["size"], options["train_images"]
        faults = []
        if not 1 <= size <= SHORTER_SIDE:
            faults.append(Fault("size", f"must be between 1 and {SHORTER_SIDE}, got {size}"))
        if num_train < 2:
            faults.append(Fault("train_images", f"must be 2 or more, got {num_train}"))
        if faults:
            raise SpecError(*faults)
        return Facts(
            shape=(1, size, size),
            num_classes=sketches.classes,
            num_train=num_train,
            num_validation=options["validation"],
            uncut=True,
        )

    return Source(
        load=load,
        shape=(1, SIZE, SIZE),
        num_classes=sketches.classes,
        num_train=sketches.train_images,
        num_validation=sketches.validation,
        folder=sketches.folder,
        facts_of=facts_of,
    )


TUBERLIN_SOURCE = sketch_source(
    Sketches(
        folder="tuberlin",
        classes=250,
        # Of the 80 sketches of each class 64; nobody published which.
        train_images=16_000,
        validation=1_250,
        mean=0.06,
        std=0.93,
    )
)
"""TU-Berlin: 20,000 sketches of 250 kinds of things; Eitz et al. 2012."""

SKETCHY_SOURCE = sketch_source(
    Sketches(
        folder="sketchy_recognition",
        classes=125,
        # Four fifths; nobody published which.
        train_images=60_377,
        validation=5_000,
        mean=0.0465,
        std=0.9,
    )
)
"""Sketchy: 75,471 sketches of 125 kinds of things; Sangkloy et al. 2016."""
