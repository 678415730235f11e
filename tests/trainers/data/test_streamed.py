"""Pictures that stay in their files."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.photographs import WNIDS, lay_out
from trainers.data import batches
from trainers.data.augment import Augment
from trainers.data.batches import shuffled_batches
from trainers.data.imagenet import load_imagenet
from trainers.data.random_resized_crop import RandomResizedCrop
from trainers.data.refused import PicturesError
from trainers.data.splits import Normalisation, Split
from trainers.data.streamed import Streamed
from trainers.data.uncut import scaled
from trainers.seeding import generator

CROP = RandomResizedCrop(scale=(0.2, 1.0))


@pytest.fixture
def split(tmp_path: Path) -> Split:
    lay_out(tmp_path / "imagenet")
    options: dict[str, Any] = {"classes": 3, "train_images": 12, "size": 24, "shorter_side": 28}
    return load_imagenet(tmp_path, False, validation=2, **options).train


def _streamed(split: Split) -> Streamed:
    assert isinstance(split.uncut, Streamed)
    return split.uncut


def _epoch(split: Split, *, size: int, order: int = 0) -> dict[bytes, Tensor]:
    """Images of an epoch by the row of each; rows stand in the place of labels."""
    augment = Augment(random_resized_crop=CROP)
    assert split.rows is not None
    numbered = Split(images=split.images, labels=split.rows, rows=split.rows, uncut=split.uncut)
    batches = shuffled_batches(
        numbered,
        size=size,
        generator=generator(order, "order"),
        windows=augment.windows(generator(316, "windows"), size=split.side, by_row=True),
    )
    return {
        int(row): image
        for batch in batches
        for row, image in zip(batch.labels, batch.images, strict=True)
    }


def test_a_box_depends_on_seed_epoch_and_row_alone(split: Split) -> None:
    torch.set_num_threads(1)
    expected = _epoch(split, size=3)
    for size, order, threads in ((4, 0, 1), (3, 1, 8), (10, 2, 2)):
        torch.set_num_threads(threads)
        found = _epoch(split, size=size, order=order)
        torch.set_num_threads(1)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[row], expected[row]) for row in expected)


def test_a_window_is_the_box_of_the_picture(split: Split) -> None:
    streamed, rows = _streamed(split), torch.tensor([5, 0])
    boxes = CROP.by_row(7)
    for window, row in zip(streamed.seen(split.images, rows, boxes), rows, strict=True):
        picture = streamed.picture(int(row))
        [box] = boxes(row[None])
        assert torch.equal(window, scaled(picture, box(*picture.shape[1:]), (24, 24)))


def test_windows_may_be_interleaved(split: Split) -> None:
    streamed, rows, boxes = _streamed(split), torch.tensor([5, 0]), CROP.by_row(7)
    plain = streamed.seen(split.images, rows, boxes)
    interleaved = streamed.seen(split.images, rows, boxes, interleaved=True)
    assert torch.equal(plain, interleaved)
    assert plain.is_contiguous()
    assert interleaved.is_contiguous(memory_format=torch.channels_last)


def test_what_this_processor_trains_on_is_not_interleaved(split: Split) -> None:
    def first(split: Split) -> Tensor:
        batch = next(shuffled_batches(split, size=4, generator=generator(0, "order")))
        return batch.images

    assert first(split).is_contiguous()
    bytes_ = first(replace(split, normalisation=None))
    assert bytes_.is_contiguous(memory_format=torch.channels_last)
    assert split.normalisation is not None
    assert torch.equal(split.normalisation(bytes_), first(split))


def test_processes_decode_their_own_photographs_of_the_same_batches(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    picture = Streamed.picture

    def counted(self: Streamed, row: int) -> Tensor:
        decoded.append(row)
        return picture(self, row)

    monkeypatch.setattr(Streamed, "picture", counted)
    augment = Augment(random_resized_crop=CROP)

    def epoch(own: Callable[[int], slice] | None) -> list[Split]:
        windows = augment.windows(generator(316, "windows"), size=split.side, by_row=True)
        order = generator(0, "order")
        return list(shuffled_batches(split, size=4, generator=order, windows=windows, own=own))

    whole = epoch(None)
    num_decoded = len(decoded)
    halves = [epoch(lambda size: slice(0, size // 2)), epoch(lambda size: slice(size // 2, size))]
    assert len(decoded) == 2 * num_decoded
    for batch, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(torch.cat((first.images, second.images)), batch.images)
        assert torch.equal(first.labels, batch.labels)


@pytest.mark.parametrize("fits", [True, False])
def test_threads_normalise_what_has_room_in_memory(
    fits: bool, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert split.normalisation is not None
    threads: set[threading.Thread] = set()
    normalise = Normalisation.__call__

    def counted(self: Normalisation, pixels: Tensor) -> Tensor:
        threads.add(threading.current_thread())
        return normalise(self, pixels)

    monkeypatch.setattr(Normalisation, "__call__", counted)
    # Four bytes for each value, of the batches that are made, wait and are in use.
    room = (torch.get_num_threads() + 2) * 5 * 3 * 24 * 24 * 4
    monkeypatch.setattr(batches, "MOST_WAITING", room if fits else room - 1)
    found = list(shuffled_batches(split, size=5, generator=generator(0, "order")))
    assert (threading.current_thread() in threads) != fits
    plain = shuffled_batches(
        replace(split, normalisation=None), size=5, generator=generator(0, "order")
    )
    for batch, pixels in zip(found, plain, strict=True):
        assert torch.equal(batch.images, normalise(split.normalisation, pixels.images))


def test_variations_draw_batch_by_batch_whatever_threads_decode(split: Split) -> None:
    varied_by: list[threading.Thread] = []

    def vary(images: Tensor) -> Tensor:
        varied_by.append(threading.current_thread())
        return images

    order = generator(0, "order")
    found = list(shuffled_batches(split, size=4, generator=order, vary=vary))
    assert varied_by == [threading.current_thread()] * len(found)


def test_rows_draw_other_boxes_in_other_epochs() -> None:
    rows = torch.arange(50)
    first, second = ([box(300, 400) for box in CROP.by_row(seed)(rows)] for seed in (1, 2))
    assert first != second
    assert len(set(map(tuple, first))) == 50


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 and no more", None])
def test_a_file_that_is_damaged_later_is_named(content: bytes | None, split: Split) -> None:
    streamed = _streamed(split)
    path = streamed.folder / streamed.names[3]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(PicturesError, match=rf"{WNIDS[0]}_3\.JPEG cannot be decoded"):
        list(_epoch(split, size=4))
    path.unlink()
    with pytest.raises(PicturesError, match=r"cannot be read \(No such file"):
        streamed.picture(3)
