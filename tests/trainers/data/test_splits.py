"""Splits and the normalisation of their images."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainers.binding import options_of
from trainers.data import SOURCES
from trainers.data.splits import Normalisation, Split, Splits, normalised
from trainers.errors import MissingDataError


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


def test_the_checksum_is_of_what_was_loaded(make_split: Callable[..., Split]) -> None:
    splits = _splits(make_split)
    untested = dataclasses.replace(splits, test=None)
    assert untested.checksum() != splits.checksum()
    assert untested.to(torch.device("cpu"), torch.float64).test is None


def _bytes(rows: list[int] | None = None) -> Split:
    source = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (5, 3, 2, 2), generator=source, dtype=torch.uint8)
    places = None if rows is None else torch.tensor(rows)
    return Split(
        images=pixels,
        labels=torch.arange(5) if places is None else places,
        rows=places,
        normalisation=Normalisation.of((0.1, 0.2, 0.3), (0.5, 0.4, 0.3)),
    )


def test_bytes_stay_bytes_wherever_they_go() -> None:
    split = _bytes([3, 1])
    moved = split.to(torch.device("cpu"), torch.float64)
    assert moved.images is split.images
    assert moved.normalisation is not None
    assert moved.normalisation.mean.dtype == torch.float64
    # On another device only the split's own images arrive.
    away = split.to(torch.device("meta"), torch.float32)
    assert (away.images.shape[0], away.images.dtype, away.rows) == (2, torch.uint8, None)


def test_the_checksum_of_rows_is_that_of_their_images_alone() -> None:
    split = _bytes([3, 1])
    whole = dataclasses.replace(split, images=split.own_images(), rows=None)
    changed = split.images.clone()
    changed[0] += 1
    same = dataclasses.replace(split, images=changed)
    other = dataclasses.replace(split, normalisation=Normalisation.of((0.1,) * 3, (0.5,) * 3))
    sums = [Splits(train=part, validation=part).checksum() for part in (split, whole, same, other)]
    assert sums[0] == sums[1] == sums[2] != sums[3]


def test_normalisation_has_the_bits_of_totensor_and_normalize() -> None:
    from torchvision import transforms

    split = _bytes()
    assert split.normalisation is not None
    chain = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1, 0.2, 0.3), (0.5, 0.4, 0.3))]
    )
    expected = torch.stack([chain(image.permute(1, 2, 0).numpy()) for image in split.images])
    assert torch.equal(split.normalisation(split.images), expected)


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


NEEDED: dict[str, dict[str, object]] = {"image_folder": {"folder": "images"}}
"""The options that a source cannot do without, where there are any."""

INSTALLED = {"digits"}
"""Those that come with a package; all others need files."""


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_facts_and_takes_whether_to_test_by_place(name: str) -> None:
    source, options = SOURCES[name], NEEDED.get(name, {})
    facts = source.facts(options)
    assert facts.shape == source.shape
    assert 0 < facts.num_trained <= facts.num_train == source.num_train
    # By place: an option of a study file is a parameter by keyword, and this is none.
    assert list(inspect.signature(source.load).parameters)[:2] == ["data_dir", "test"]
    assert "test" not in options_of(source.load)
    if "validation" in options_of(source.load):
        assert source.facts({**options, "validation": 7}).num_validation == 7


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_without_files_says_so_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("no network")

    for data_set in ("MNIST", "CIFAR10", "CIFAR100"):
        monkeypatch.setattr(f"torchvision.datasets.{data_set}.download", refuse)
    if name in INSTALLED:
        assert SOURCES[name].load(tmp_path, False).test is None
        return
    for test in (True, False):
        with pytest.raises(MissingDataError, match=r"\S") as raised:
            SOURCES[name].load(tmp_path, test, **NEEDED.get(name, {}))
        assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir() if tmp_path.exists() else []) == []


def test_the_known_sources_say_what_their_images_are() -> None:
    facts = {
        "cifar10": ((3, 32, 32), 10),
        "cifar100": ((3, 32, 32), 100),
        "digits": ((1, 8, 8), 10),
        "image_folder": ((3, 32, 32), 10),
        "imagenet": ((3, 224, 224), 1000),
        "mnist": ((1, 28, 28), 10),
        "sketchy": ((1, 224, 224), 125),
        "tuberlin": ((1, 224, 224), 250),
    }
    for name, (shape, num_classes) in facts.items():
        assert (SOURCES[name].shape, SOURCES[name].num_classes) == (shape, num_classes)
    assert SOURCES["digits"].files == ()
    assert len(SOURCES["mnist"].files) == 4
