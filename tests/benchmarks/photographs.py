"""Batches of photographs for training, without a network: ours, and ImageFolder in a DataLoader.

A thousand photographs of ImageNet, one of each class, their shorter side 256 pixels. Both cut
random boxes of 224 pixels and mirror. Seconds of a processor are counted, over all threads, so
neighbours on the machine change little; what workers of a DataLoader send each other is left out.
"""

import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from trainers.data.augment import Augment
from trainers.data.batches import shuffled_batches
from trainers.data.cache import cached_images
from trainers.data.imagenet import MEAN, STD, load_imagenet, packed_form
from trainers.data.listing import list_images
from trainers.data.random_resized_crop import RandomResizedCrop
from trainers.seeding import generator

ARCHIVE = "imagenet-sample-256.tar"
NUM = 1000
BATCH_SIZE = 64
EPOCHS = 2
"""The first warms up."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks the photographs, as `train`."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "imagenet", filter="data")


def usual(folder: Path) -> float:
    """Images in a second of the usual loop, on one core."""
    torch.set_num_threads(1)
    chain = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    photographs = datasets.ImageFolder(str(folder / "imagenet" / "train"), chain)
    loader = DataLoader(photographs, BATCH_SIZE, shuffle=True)

    def epoch() -> int:
        return sum(len(labels) for _, labels in loader)

    return _rate(epoch)


def ours(folder: Path, *, packed: bool, normalised: bool) -> float:
    """Images in a second of our batches, on one core.

    Args:
        folder: The data folder.
        packed: From photographs that are decoded already.
        normalised: As for a network on the CPU; else bytes, which a GPU normalises itself.
    """
    torch.set_num_threads(1)
    if packed:
        listing = list_images(folder / "imagenet" / "train")
        cached_images(listing, packed_form(256), data_dir=folder)
    options = {"train_images": NUM, "validation": 1, "packed": packed}
    train = load_imagenet(folder, False, **options).train
    train = train if normalised else replace(train, normalisation=None)
    augment = Augment(flip=True, random_resized_crop=RandomResizedCrop())

    def epoch() -> int:
        batches = shuffled_batches(
            train,
            size=BATCH_SIZE,
            generator=generator(316, "order"),
            windows=augment.windows(generator(316, "windows"), size=train.side, by_row=True),
            changes=augment.drawn(len(train), generator(316, "augment")),
        )
        return sum(len(batch) for batch in batches)

    return _rate(epoch)


def _rate(epoch: Callable[[], int]) -> float:
    rates = []
    for _ in range(EPOCHS):
        started = time.process_time()
        num = epoch()
        rates.append(num / (time.process_time() - started))
    return max(rates[1:])
