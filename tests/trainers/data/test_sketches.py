"""The two folders of sketches, and pictures that are kept uncut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from tests.support.strokes import draw_sketches
from trainers.data import SOURCES
from trainers.data.augment import Augment
from trainers.data.batches import gathered, ordered_batches, shuffled_batches
from trainers.data.image_folder import load_image_folder
from trainers.data.random_resized_crop import RandomResizedCrop
from trainers.data.random_window import window_drawer
from trainers.data.splits import Normalisation, Splits
from trainers.data.uncut import scaled
from trainers.errors import SpecError

FORM: dict[str, Any] = {
    "folder": "sketches",
    "size": 28,
    "channels": 1,
    "classes": 3,
    "train_images": 15,
    "validation": 3,
    "mean": (0.06,),
    "std": (0.93,),
    "shorter_side": 32,
    "views": "ten",
    "invert": True,
}
CPU = torch.device("cpu")
Load = Callable[..., Splits]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    draw_sketches(tmp_path / "sketches", train=5, test=2, classes=3)

    def load(**changes: Any) -> Splits:
        return load_image_folder(tmp_path, **{**FORM, **changes})

    return load


def _published(path: Path, *, shorter: int, size: int, mean: float, std: float) -> Tensor:
    """The ten windows of a picture by torchvision; corners before the centre."""
    chain = transforms.Compose([transforms.Resize(shorter), transforms.TenCrop(size)])
    to_tensor, normalise = transforms.ToTensor(), transforms.Normalize((mean,), (std,))
    with Image.open(path) as picture:
        windows = chain(picture.convert("L"))
    return torch.stack([normalise(1 - to_tensor(window)) for window in windows])


def _corners_first(windows: Tensor) -> Tensor:
    return windows[[1, 2, 3, 4, 0, 6, 7, 8, 9, 5]]


@pytest.mark.parametrize(
    ("name", "folder", "classes", "mean", "std"),
    [
        ("tuberlin", "tuberlin", 250, 0.06, 0.93),
        ("sketchy", "sketchy_recognition", 125, 0.0465, 0.9),
    ],
)
def test_the_folders_are_evaluated_as_published(
    name: str, folder: str, classes: int, mean: float, std: float, tmp_path: Path
) -> None:
    places = [
        tmp_path / folder / part / str(label)
        for part in ("train", "val")
        for label in range(classes)
    ]
    for number, place in enumerate(places):
        place.mkdir(parents=True)
        pixels = torch.arange(12).mul(number).byte().reshape(3, 4)
        Image.fromarray(pixels.numpy()).save(place / "a.png")
    source = SOURCES[name]
    splits = source.load(tmp_path, train_images=classes, validation=5, size=225)
    assert (len(splits.train), len(splits.validation)) == (classes - 5, 5)
    assert splits.test is not None
    first = next(ordered_batches(splits.test, size=20))
    assert first.images.shape == (20, 1, 225, 225)
    # Classes are numbered in the order of their names: 0, 1, 10, ...
    for row, label in enumerate(("0", "1")):
        picture = tmp_path / folder / "val" / label / "a.png"
        expected = _published(picture, shorter=256, size=225, mean=mean, std=std)
        assert torch.equal(_corners_first(first.images[row::2]), expected)
    centred = source.load(tmp_path, train_images=classes, validation=5, views="centre")
    assert centred.test is not None
    assert next(ordered_batches(centred.test, size=2)).images.shape == (2, 1, 224, 224)


@pytest.mark.parametrize("name", ["tuberlin", "sketchy"])
def test_what_the_folders_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"size: .* 1 and 256, got 257\ntrain_images: .* got 1$"):
        SOURCES[name].facts({"size": 257, "train_images": 1})
    facts = SOURCES[name].facts({"size": 225, "train_images": 900, "validation": 7})
    assert (facts.shape, facts.num_train, facts.num_validation) == ((1, 225, 225), 900, 7)


def test_pictures_of_any_size_are_kept_whole_with_their_shorter_side_scaled(
    load: Load, tmp_path: Path
) -> None:
    splits = load()
    assert splits.test is not None
    assert splits.test.uncut is not None
    assert splits.test.images.dim() == 1
    for row in range(2):
        with Image.open(tmp_path / "sketches" / "val" / "0" / f"{5 + row}.png") as picture:
            expected = transforms.PILToTensor()(transforms.Resize(32)(picture))
        assert torch.equal(splits.test.uncut.picture(splits.test.images, row), expected)
    assert len({tuple(size) for size in splits.train.uncut.sizes.tolist()}) == 3


def test_a_later_start_finds_them_in_the_cache_and_another_form_does_not(
    load: Load, tmp_path: Path
) -> None:
    sums = [
        load(**changes).checksum() for changes in ({}, {}, {"shorter_side": 33}, {"invert": False})
    ]
    assert sums[0] == sums[1]
    assert len(set(sums)) == 3
    folders = [path for path in (tmp_path / ".bnn-cache").iterdir() if path.is_dir()]
    assert len(folders) == 4
    usual = load(shorter_side=None, views="centre", resize=True)
    assert usual.train.images.shape == (15, 1, 28, 28)
    header = (
        next(folder for folder in folders if (folder / "header.json").exists()) / "header.json"
    )
    header.write_text(header.read_text().replace("[32, ", "[31, ", 1))
    assert {load().checksum(), load(shorter_side=33).checksum()} == {sums[0], sums[2]}


def test_training_cuts_the_drawn_box_out_of_the_whole_picture(load: Load) -> None:
    train = load().train
    crop, indices = RandomResizedCrop(), torch.tensor([4, 0, 9])
    batch = gathered(train, indices, windows=crop.drawer(torch.Generator().manual_seed(2)))
    assert train.rows is not None
    assert train.uncut is not None
    rows = train.rows[indices]
    boxes = crop.drawer(torch.Generator().manual_seed(2))(train.uncut.sizes[rows]).tolist()
    for image, row, box in zip(batch.images, rows.tolist(), boxes, strict=True):
        window = scaled(train.uncut.picture(train.images, row), box, (28, 28))
        torch.testing.assert_close(image, (1 - window / 255 - 0.06) / 0.93)
    assert torch.equal(batch.labels, train.labels[indices])
    centred = gathered(train, indices)
    assert torch.equal(
        centred.images,
        train.normalisation(train.uncut.cut(train.images, rows, train.uncut.centred(rows))),
    )


def test_pictures_stay_where_they_are_and_batches_go_to_the_device(load: Load) -> None:
    train = load().train
    away = train.to(torch.device("meta"), torch.float32)
    assert away.images is train.images
    assert (away.labels.device.type, away.normalisation.mean.device.type) == ("meta", "meta")
    batches = shuffled_batches(away, size=5, generator=torch.Generator().manual_seed(0))
    assert [batch.images.device.type for batch in batches] == ["meta"] * 3
    first = train.to(CPU, torch.float64).first(4)
    [batch] = shuffled_batches(first, size=4, generator=torch.Generator().manual_seed(0))
    assert (len(batch), batch.images.dtype) == (4, torch.float64)


def test_a_batch_for_evaluation_has_so_many_windows_at_most(load: Load) -> None:
    splits = load()
    sizes = {
        size: [len(batch.images) for batch in ordered_batches(splits.test, size=size)]
        for size in (1, 10, 29, 1000)
    }
    assert sizes == {1: [10] * 6, 10: [10] * 6, 29: [20] * 3, 1000: [60]}


def test_what_evaluates_may_have_another_scale_than_what_trains(
    load: Load, tmp_path: Path
) -> None:
    splits, usual = load(views="centre", eval_shorter_side=43), load(views="centre")
    assert splits.test is not None
    for name, split in (("train", splits.train), ("validation", splits.validation)):
        before = getattr(usual, name)
        assert torch.equal(split.rows, before.rows)
        assert torch.equal(split.labels, before.labels)
    assert [part.uncut.sizes.amin() for part in (splits.train, splits.validation)] == [32, 43]
    assert splits.test.uncut.sizes.amin() == 43
    chain = transforms.Compose([transforms.Resize(43), transforms.CenterCrop(28)])
    with Image.open(tmp_path / "sketches" / "val" / "0" / "5.png") as picture:
        expected = (1 - transforms.ToTensor()(chain(picture)) - 0.06) / 0.93
    first = next(ordered_batches(splits.test, size=1))
    torch.testing.assert_close(first.images[0], expected)
    assert (
        splits.checksum()
        != usual.checksum()
        == load(views="centre", eval_shorter_side=32).checksum()
    )


def test_a_damaged_picture_is_named_once_though_it_is_decoded_at_two_scales(
    load: Load, tmp_path: Path
) -> None:
    damaged = tmp_path / "sketches" / "train" / "0" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(SpecError) as raised:
        load(eval_shorter_side=43)
    assert str(raised.value).count("0.png") == 1


def test_training_cuts_windows_at_random_places(load: Load) -> None:
    train, indices = load().train, torch.tensor([4, 0, 9])
    drawn = Augment(random_window=True).windows(torch.Generator().manual_seed(2), size=train.side)
    batch = gathered(train, indices, windows=drawn)
    rows = train.rows[indices]
    boxes = window_drawer(torch.Generator().manual_seed(2), size=28)(train.uncut.sizes[rows])
    cut = train.uncut.cut(train.images, rows, boxes)
    assert torch.equal(batch.images, train.normalisation(cut))
    assert not torch.equal(batch.images, gathered(train, indices).images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eval_shorter_side": 27}, "eval_shorter_side: must be between size, 28, and 4096, got"),
        (
            {"shorter_side": None, "eval_shorter_side": 43},
            "eval_shorter_side: all images have one",
        ),
        ({"shorter_side": 27}, "shorter_side: must be between size, 28, and 4096, got 27"),
        ({"shorter_side": 5000}, "shorter_side: .* got 5000"),
        ({"resize": True}, "resize: has no use beside shorter_side"),
        ({"shorter_side": None}, "views: images of one size have no other windows; set shorter_"),
        ({"shorter_side": None, "views": "centre", "size": 600}, "size: .*with shorter_side they"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    changes: dict[str, Any], message: str, load: Load
) -> None:
    with pytest.raises(SpecError, match=message):
        load(**changes)


def test_inversion_has_the_bits_of_one_minus_totensor() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    inverted = Normalisation.of((0.06,), (0.93,), inverted=True)
    expected = transforms.Normalize((0.06,), (0.93,))(1 - pixels.float() / 255)
    assert torch.equal(inverted(pixels), expected)
    assert inverted.to(CPU, torch.float64).inverted
