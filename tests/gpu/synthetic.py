"""Data made by a formula of chance, so that nothing need be downloaded, and trials on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from trainers.binding import Component
from trainers.data import SOURCES, Split, Splits
from trainers.data.splits import Normalisation
from trainers.spec.train_spec import TrainSpec

FLOATS = {"mnist"}
"""Data sets that are kept as normalised numbers; all others are kept as bytes."""


@contextmanager
def synthetic_data(*, train: int, evaluated: int) -> Iterator[None]:
    """Within it, every trial finds as many images, of its data set's shape and classes.

    Args:
        train: Images that train.
        evaluated: Images of the validation part, and of the test part.
    """

    def load(source: Component, *, data_dir: Path, test: bool = True) -> Splits:
        facts = SOURCES[source.name].facts(source.options)
        parts = [
            _split(number, size, facts.shape, facts.num_classes, source.name in FLOATS)
            for number, size in enumerate((train, evaluated, evaluated))
        ]
        return Splits(train=parts[0], validation=parts[1], test=parts[2] if test else None)

    with mock.patch("trainers.build.load_splits", load):
        yield


@lru_cache(maxsize=8)
def _split(
    seed: int, size: int, shape: tuple[int, int, int], num_classes: int, is_float: bool
) -> Split:
    """Images whose brightness says something about their class, so that there is much to learn."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (size,), generator=source)
    images = torch.randint(0, 256, (size, *shape), generator=source, dtype=torch.uint8)
    images //= 2
    images += (labels * 127 // num_classes).to(torch.uint8)[:, None, None, None]
    if is_float:
        return Split(images=images.float().div_(255).sub_(0.5).div_(0.25), labels=labels)
    normalisation = Normalisation.of([0.5] * shape[0], [0.25] * shape[0])
    return Split(images=images, labels=labels, normalisation=normalisation)


def trial(model: dict[str, Any], *, image: tuple[int, int, int], **changes: Any) -> TrainSpec:
    """A short trial of a network on synthetic images: SGD, every layer binary from the start.

    Args:
        model: Name and options of the network.
        image: Channels, height, width.
        changes: Other keys of the trial; `classes` and those of `data` go into its data.
    """
    channels, size, _ = image
    data = {
        "name": "image_folder", "folder": "synthetic", "channels": channels, "size": size,
        "mean": [0.5] * channels, "std": [0.25] * channels, "batch_size": 16,
        "classes": changes.pop("classes", 10),
    }  # fmt: skip
    data |= changes.pop("data", {})
    mapping: dict[str, Any] = {
        "model": model,
        "data": data,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        "weights": {"name": "sign"},
        "layers": {"order": "all"},
        "epochs": 1,
        "seed": 5,
    }
    return TrainSpec.from_mapping(mapping | changes)
