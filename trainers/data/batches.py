"""Batches as index gathers, shuffled for training or in order for evaluation."""

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
    mix: Callable[[Split], Split] | None = None,
) -> Iterator[Split]:
    """Yields one epoch in random order, in batches of `size`; the last may be smaller.

    Args:
        split: The images.
        size: Images per batch.
        generator: A CPU generator, so that the order is the same on every device.
        changes: Crop and flip of the first, second, ... image of the epoch.
        vary: Varies the bytes of a batch after that; may return several views of each image.
        mix: Mixes the normalised images of a batch after that.
    """
    order = torch.randperm(len(split), generator=generator).to(split.labels.device)
    if changes is None:
        for indices in torch.split(order, size):
            batch = gathered(split, indices, vary=vary)
            yield batch if mix is None else mix(batch)
        return
    parts = changes.to(split.labels.device).split(size)
    for indices, part in zip(torch.split(order, size), parts, strict=True):
        batch = gathered(split, indices, changes=part, vary=vary)
        yield batch if mix is None else mix(batch)


def gathered(
    split: Split,
    indices: Tensor,
    *,
    changes: Changes | None = None,
    vary: Callable[[Tensor], Tensor] | None = None,
) -> Split:
    """Returns the normalised images and the labels at these indices, on the split's device.

    Args:
        split: The images.
        indices: Places within the split, (batch,), int64.
        changes: Crop and flip of each image, before normalisation.
        vary: Varies the bytes of the batch after that.
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
    """Yields the split in its order, in batches of `size`; normalised splits are not copied."""
    if split.rows is not None:
        for indices in torch.split(torch.arange(len(split), device=split.labels.device), size):
            yield gathered(split, indices)
        return
    parts = zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)
    for images, labels in parts:
        if split.normalisation is not None:
            images = split.normalisation(images)
        yield Split(images=images, labels=labels)
