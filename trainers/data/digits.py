"""Handwritten digits that come with scikit-learn: 1,797 grey images of 8x8, no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from trainers.data.splits import Source, Split, Splits, normalised
from trainers.errors import MissingDataError

NUM_IMAGES = 1797
EVERY = 5
"""Of every five images, the first is for test, the second for validation, three for training."""


def load_digits(data_dir: Path, test: bool = True) -> Splits:
    """Loads the digits, normalised to mean 0 and standard deviation 1 over all pixels.

    Args:
        data_dir: Not used; every source takes this argument.
        test: Keep the test part.

    Raises:
        MissingDataError: If scikit-learn is not installed.

    Source: scikit-learn's `load_digits`, the test part of the UCI optical digits (1998).
    """
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        what = "the data set 'digits' lies inside scikit-learn, which is not installed"
        raise MissingDataError(f"{what}; pip install scikit-learn")
    # Its own `load_digits` reads the same file, but first loads the whole library: one second.
    file = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    table = torch.from_numpy(np.loadtxt(file, delimiter=","))
    pixels, classes = table[:, :-1], table[:, -1]
    black, images = (
        normalised(part.reshape(-1, 8, 8), mean=0.3053, std=0.3760, top=16)
        for part in (torch.zeros(1, 64), pixels)
    )
    labels = classes.to(torch.int64)
    place = torch.arange(len(labels)) % EVERY

    def part(chosen: torch.Tensor) -> Split:
        blank = black[0, 0, 0, 0].item()
        return Split(images=images[chosen], labels=labels[chosen], blank=blank)

    return Splits(
        train=part(place > 1),
        validation=part(place == 1),
        test=part(place == 0) if test else None,
    )


DIGITS_SOURCE = Source(
    load=load_digits,
    shape=(1, 8, 8),
    num_classes=10,
    num_train=NUM_IMAGES - len(range(0, NUM_IMAGES, EVERY)),
    num_validation=len(range(1, NUM_IMAGES, EVERY)),
    has_bytes=False,
)
