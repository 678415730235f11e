"""Batches as index gathers, shuffled for training or in order for evaluation."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

import torch
from torch import Generator, Tensor

from trainers.data.ahead import ahead, most_at_once
from trainers.data.augment import Changes
from trainers.data.splits import Split
from trainers.data.uncut import Uncut, each_scaled

MOST_WAITING = 2**30
"""Bytes that batches may take which threads normalise ahead of a network. Where it would be more,
each waits as it was decoded, in a quarter of that, and is normalised when it is used."""


def shuffled_batches(
    split: Split,
    *,
    size: int,
    generator: Generator,
    windows: Callable[[Tensor], Any] | None = None,
    changes: Changes | None = None,
    vary: Callable[[Tensor], Tensor] | None = None,
    mix: Callable[[Split], Split] | None = None,
    own: Callable[[int], slice | None] | None = None,
) -> Iterator[Split]:
    """Yields one epoch in random order, in batches of `size`; the last may be smaller.

    Args:
        split: The images.
        size: Images per batch.
        generator: A CPU generator, so that the order is the same on every device.
        windows: Draws which part of each picture of a batch is seen, from their sizes, or from
            the rows of those that are made ahead; None: all of it, or the centre if it is uncut.
        changes: Crop and flip of the first, second, ... image of the epoch.
        vary: Varies the bytes of a batch after that; may return several views of each image.
        mix: Mixes the normalised images of a batch after that.
        own: Maps the size of a batch to the images of it that are made; the draws, and the labels,
            are those of the whole batch. None: all images.
    """
    order = torch.randperm(len(split), generator=generator).to(split.images.device)
    batches = torch.split(order, size)
    cuts = [None if own is None else own(len(indices)) for indices in batches]
    # What varies or mixes images draws as many numbers as it gets images.
    is_whole = vary is not None or mix is not None
    firsts = [None if is_whole or cut is None or cut.start == cut.stop else cut for cut in cuts]
    parts: Iterable[Changes | None] = repeat(None)
    if changes is not None:
        parts = changes.to(split.labels.device).split(size)
    made = _each_made(split, batches, firsts, windows=windows, changes=parts, vary=vary)
    for batch, indices, cut, first in zip(made, batches, cuts, firsts, strict=True):
        if mix is not None:
            batch = mix(batch)
        if cut is not None and first is None:
            views = batch.images.reshape(-1, len(indices), *batch.images.shape[1:])
            batch = replace(batch, images=views[:, cut].flatten(0, 1))
        yield batch


def gathered(
    split: Split,
    indices: Tensor,
    *,
    windows: Callable[[Tensor], Any] | None = None,
    changes: Changes | None = None,
    vary: Callable[[Tensor], Tensor] | None = None,
    own: slice | None = None,
) -> Split:
    """Returns the normalised images and the labels at these indices, on the labels' device.

    Args:
        split: The images.
        indices: Places within the split, (batch,), int64, where its images are.
        windows: Draws which part of each picture is seen; None: all of it, or the centre.
        changes: Crop and flip of each image, before normalisation.
        vary: Varies the bytes of the batch after that.
        own: Which of these images are made; None: all. Windows are drawn, and labels returned, of
            all.
    """
    made = _each_made(split, [indices], [own], windows=windows, changes=[changes], vary=vary)
    return next(made)


def _each_made(
    split: Split,
    batches: Sequence[Tensor],
    owns: Sequence[slice | None],
    *,
    windows: Callable[[Tensor], Any] | None = None,
    changes: Iterable[Changes | None] = repeat(None),
    vary: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Split]:
    """Yields batches as `gathered` returns them; made by threads if their pictures are `ahead`.

    Args:
        split: The images.
        batches: Places within the split, (batch,), int64, of each batch.
        owns: As for `gathered`, of each batch.
        windows: As for `gathered`.
        changes: As for `gathered`, of each batch.
        vary: As for `gathered`.
    """
    each = list(zip(batches, owns, changes, strict=False))
    device = split.labels.device
    is_ahead = split.uncut is not None and split.uncut.ahead
    # torch's own threads would wait for each other busily, and take time from these; but
    # variations draw from one generator, batch by batch.
    changes_ahead = is_ahead and device.type == "cpu" and vary is None
    normalises_ahead = changes_ahead and _waiting_bytes(split, batches) <= MOST_WAITING

    def rows(indices: Tensor) -> Tensor:
        return indices if split.rows is None else split.rows.index_select(0, indices)

    def changed(images: Tensor, own: slice | None, part: Changes | None) -> Tensor:
        if part is not None:
            part = part if own is None else part.cut(own)
            images = part.applied(images, blank=split.blank)
        return images if vary is None else vary(images)

    def normal(images: Tensor) -> Tensor:
        return images if split.normalisation is None else split.normalisation(images)

    def seen(batch: tuple[Tensor, slice | None, Changes | None]) -> Tensor:
        indices, own, part = batch
        # What this processor normalises must not be interleaved, or its networks would compute in
        # another layout, and round in another way.
        interleaved = is_ahead and (device.type == "cuda" or split.normalisation is None)
        images = _seen(split, rows(indices), windows, own, interleaved=interleaved)
        if changes_ahead:
            images = changed(images, own, part)
        if normalises_ahead:
            images = normal(images)
        # From pinned memory the copy to the device need not be waited for.
        return images.pin_memory() if is_ahead and device.type == "cuda" else images

    made = ahead(seen, each) if is_ahead else map(seen, each)
    for images, (indices, own, part) in zip(made, each, strict=True):
        images = images.to(device, non_blocking=True)
        if device.type != "cpu":
            # Interleaved windows are put apart here, where it takes least time.
            images = images.contiguous()
        if not changes_ahead:
            images = changed(images, own, part)
        if not normalises_ahead:
            images = normal(images)
        yield Split(images=images, labels=split.labels.index_select(0, indices.to(device)))


def _waiting_bytes(split: Split, batches: Sequence[Tensor]) -> int:
    """Bytes of all normalised batches that are ahead at once; 0: they are not normalised."""
    if split.normalisation is None:
        return 0
    mean = split.normalisation.mean
    largest = max((len(indices) for indices in batches), default=0)
    return most_at_once() * largest * len(mean) * split.side**2 * mean.itemsize


def _seen(
    split: Split,
    rows: Tensor,
    windows: Callable[[Tensor], Any] | None,
    own: slice | None,
    *,
    interleaved: bool = False,
) -> Tensor:
    """Returns what is seen of the pictures at these rows, (batch, channels, height, width)."""
    part = slice(None) if own is None else own
    if split.uncut is not None:
        return split.uncut.seen(split.images, rows, windows, part, interleaved=interleaved)
    images = split.images.index_select(0, rows[part])
    if windows is None:
        return images
    return each_scaled(images, windows(torch.tensor([images.shape[2:]] * len(rows)))[part])


def ordered_batches(split: Split, *, size: int) -> Iterator[Split]:
    """Yields the split in its order, in batches of `size`; normalised splits are not copied.

    Of pictures that are seen through several windows, a batch has so many fewer, at least one.
    """
    if split.uncut is not None and split.uncut.ahead and split.uncut.num_views == 1:
        batches = torch.split(torch.arange(len(split)), size)
        yield from _each_made(split, batches, [None] * len(batches))
        return
    if isinstance(split.uncut, Uncut):
        yield from _viewed(split, split.uncut, max(1, size // split.uncut.num_views))
        return
    if split.rows is not None:
        for indices in torch.split(torch.arange(len(split), device=split.labels.device), size):
            yield gathered(split, indices)
        return
    parts = zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)
    for images, labels in parts:
        if split.normalisation is not None:
            images = split.normalisation(images)
        yield Split(images=images, labels=labels)


def _viewed(split: Split, uncut: Uncut, size: int) -> Iterator[Split]:
    """Yields all windows of `size` pictures at a time."""
    places = torch.arange(len(split)) if split.rows is None else split.rows
    parts = zip(torch.split(places, size), torch.split(split.labels, size), strict=True)
    for rows, labels in parts:
        images = uncut.viewed(split.images, rows).to(labels.device)
        if split.normalisation is not None:
            images = split.normalisation(images)
        yield Split(images=images, labels=labels, num_views=uncut.num_views)
