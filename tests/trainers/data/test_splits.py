"""Splits and the normalisation of their images."""

import dataclasses
from collections.abc import Callable

import torch

from trainers.data import SOURCES
from trainers.data.splits import Split, Splits, normalised


def _splits(make_split: Callable[..., Split]) -> Splits:
    return Splits(train=make_split(5, seed=1), validation=make_split(3), test=make_split(2))


def test_a_split_is_as_long_as_its_labels(make_split: Callable[..., Split]) -> None:
    assert len(make_split(5)) == 5


def test_moving_changes_images_but_never_labels(make_split: Callable[..., Split]) -> None:
    moved = _splits(make_split).to(torch.device("cpu"), torch.float64)
    for split in (moved.train, moved.validation, moved.test):
        assert split.images.dtype == torch.float64
        assert split.labels.dtype == torch.int64
    assert torch.equal(moved.train.images.float(), make_split(5, seed=1).images)


def test_moving_to_where_it_is_copies_nothing(make_split: Callable[..., Split]) -> None:
    splits = _splits(make_split)
    moved = splits.to(torch.device("cpu"), torch.float32)
    assert moved.train.images is splits.train.images


def test_the_checksum_depends_on_every_part(make_split: Callable[..., Split]) -> None:
    splits = _splits(make_split)
    seen = {splits.checksum()}
    assert _splits(make_split).checksum() in seen
    for name in ("train", "validation", "test"):
        part: Split = getattr(splits, name)
        images, labels = part.images.clone(), part.labels.clone()
        images[0, 0, 0, 0] += 1e-6
        labels[0] += 1
        for changed in (
            dataclasses.replace(part, images=images),
            dataclasses.replace(part, labels=labels),
        ):
            seen.add(dataclasses.replace(splits, **{name: changed}).checksum())
    seen.add(
        dataclasses.replace(splits, validation=splits.test, test=splits.validation).checksum()
    )
    assert len(seen) == 8


def test_normalised_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    pixels = torch.tensor([[[0, 51], [102, 255]]], dtype=torch.uint8)
    images = normalised(pixels, mean=0.2, std=0.5, top=255)
    assert images.shape == (1, 1, 2, 2)
    assert images.dtype == torch.float32
    expected = torch.tensor([[[[-0.4, 0.0], [0.4, 1.6]]]])
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-6)
    assert pixels[0, 1, 1] == 255


def test_normalised_leaves_float_pixels_as_they_were() -> None:
    pixels = torch.full((1, 2, 2), 8.0)
    normalised(pixels, mean=0.5, std=0.25, top=16)
    assert (pixels == 8).all()


def test_every_source_says_what_its_images_are() -> None:
    facts = {name: (source.shape, source.num_classes) for name, source in SOURCES.items()}
    assert facts == {"digits": ((1, 8, 8), 10), "mnist": ((1, 28, 28), 10)}
    assert SOURCES["digits"].files == ()
    assert len(SOURCES["mnist"].files) == 4
