"""Batches as index gathers: which images are together in which epoch."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from trainers.data.splits import Split


def shuffled_batches(split: Split, *, size: int, generator: Generator) -> Iterator[Split]:
    """One epoch over the split in random order, in batches of `size`; the last may be smaller.

    Args:
        split: Where to draw from.
        size: Images a batch.
        generator: A CPU generator, so that the order is the same on every device.
    """
    order = torch.randperm(len(split), generator=generator).to(split.labels.device)
    for indices in torch.split(order, size):
        yield gathered(split, indices)


def gathered(split: Split, indices: Tensor) -> Split:
    """The images and labels at these indices, (batch,), int64, on the split's device."""
    return Split(
        images=split.images.index_select(0, indices), labels=split.labels.index_select(0, indices)
    )


def ordered_batches(split: Split, *, size: int) -> Iterator[Split]:
    """The split in its own order, in batches of `size`, without a copy."""
    parts = zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)
    for images, labels in parts:
        yield Split(images=images, labels=labels)
