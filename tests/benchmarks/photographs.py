"""Batches of photographs for training, without a network: ours, and ImageFolder in a DataLoader.

A thousand photographs of ImageNet, one of each class, their shorter side 256 pixels. Both cut
random boxes of 224 pixels and mirror. On one core, seconds of the processor are counted, over all
threads, so neighbours on the machine change little; what workers of a DataLoader send is left out.
On several cores the clock counts: as many workers there as threads here.
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
from trainers.process import process_settings
from trainers.seeding import generator

ARCHIVE = "imagenet-sample-256.tar"
NUM = 1000
BATCH_SIZE = 64
EPOCHS = 4
"""The first warms up; of the others the fastest counts."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks the photographs, as `train`."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "imagenet", filter="data")


def usual(folder: Path, *, cores: int = 1) -> float:
    """Images in a second of the usual loop.

    Args:
        folder: The data folder.
        cores: 1: without workers, by the time of the processor; else workers, by the clock.
    """
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
    workers = cores if cores > 1 else 0
    loader = DataLoader(
        photographs,
        BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Forks are usual; the workers of a spawned process would import torch anew.
        multiprocessing_context="fork" if workers else None,
    )

    def epoch() -> int:
        return sum(len(labels) for _, labels in loader)

    return _rate(epoch, cores)


def ours(folder: Path, *, packed: bool, normalised: bool, cores: int = 1) -> float:
    """Images in a second of our batches.

    Args:
        folder: The data folder.
        packed: From photographs that are decoded already.
        normalised: As for a network on the CPU; else bytes, which a GPU normalises itself.
        cores: Threads; 1: by the time of the processor, else by the clock.
    """
    with process_settings(num_threads=cores):
        return _ours(folder, packed=packed, normalised=normalised, cores=cores)


def _ours(folder: Path, *, packed: bool, normalised: bool, cores: int) -> float:
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

    return _rate(epoch, cores)


def _rate(epoch: Callable[[], int], cores: int) -> float:
    now, rates = time.perf_counter if cores > 1 else time.process_time, []
    for _ in range(EPOCHS):
        started = now()
        num = epoch()
        rates.append(num / (now() - started))
    return max(rates[1:])
