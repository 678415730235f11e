"""Batches as index gathers: which images are together in which epoch."""

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

from trainers.data.augment import Changes
from trainers.data.splits import Split


def shuffled_batches(
    split: Split,
    *,
    size: int,
    generator: Generator,
    changes: Changes | None = None,
    vary: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Split]:
    """One epoch over the split in random order, in batches of `size`; the last may be smaller.

    Args:
        split: Where to draw from.
        size: Images a batch.
        generator: A CPU generator, so that the order is the same on every device.
        changes: What augmentation does to the first image, the second, ... of the epoch.
        vary: What it does then to the bytes of a batch; may give several views of each image.
    """
    order = torch.randperm(len(split), generator=generator).to(split.labels.device)
    if changes is None:
        for indices in torch.split(order, size):
            yield gathered(split, indices, vary=vary)
        return
    parts = changes.to(split.labels.device).split(size)
    for indices, part in zip(torch.split(order, size), parts, strict=True):
        yield gathered(split, indices, changes=part, vary=vary)


def gathered(
    split: Split,
    indices: Tensor,
    *,
    changes: Changes | None = None,
    vary: Callable[[Tensor], Tensor] | None = None,
) -> Split:
    """The normalised images and the labels at these indices, (batch,), on the split's device.

    Args:
        split: Where to take them from.
        indices: Places within the split, int64.
        changes: What augmentation does to each of them, before they are normalised.
        vary: What it does then to the bytes of all.
    """
    rows = indices if split.rows is None else split.rows.index_select(0, indices)
    images = split.images.index_select(0, rows)
    if changes is not None:
        images = changes.applied(images, blank=split.blank)
    if vary is not None:
        images = vary(images)
    if split.normalisation is not None:
        images = split.normalisation(images)
    return Split(images=images, labels=split.labels.index_select(0, indices))


def ordered_batches(split: Split, *, size: int) -> Iterator[Split]:
    """The split in its own order, in batches of `size`; without a copy where it is normalised."""
    if split.rows is not None:
        for indices in torch.split(torch.arange(len(split), device=split.labels.device), size):
            yield gathered(split, indices)
        return
    parts = zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)
    for images, labels in parts:
        if split.normalisation is not None:
            images = split.normalisation(images)
        yield Split(images=images, labels=labels)
