"""Image folders: what is loaded, and what is refused."""

import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import transforms

from trainers.data.cifar10 import MEAN, STD
from trainers.data.image_folder import IMAGE_FOLDER_SOURCE, image_folder_facts, load_image_folder
from trainers.data.splits import Split, Splits
from trainers.errors import MissingDataError, SpecError

MakeFolder = Callable[..., Path]
Load = Callable[..., Splits]

REPOSITORY = Path(__file__).resolve().parents[3]
DATA_DIR = Path(os.environ.get("BNN_DATA_DIR") or REPOSITORY.parent / "shared" / "data")
ARCHIVE = DATA_DIR / "cifar10-images.tar.gz"


def _pixels(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return transforms.functional.pil_to_tensor(image)


def _images(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.own_images()}


def test_images_are_the_files_bytes_with_classes_in_the_order_of_names(
    make_folder: MakeFolder, load: Load
) -> None:
    data_dir = make_folder()
    splits = load(data_dir)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [20, 4, 9]
    expected = [
        _pixels(data_dir / "tiny" / "test" / name / f"{number}.png")
        for name in ("ant", "bee", "cat")
        for number in range(3)
    ]
    assert torch.equal(splits.test.own_images(), torch.stack(expected))
    assert splits.test.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_validation_and_training_share_the_images_and_have_none_in_common(
    make_folder: MakeFolder, load: Load
) -> None:
    splits = load(make_folder())
    assert splits.train.images.data_ptr() == splits.validation.images.data_ptr()
    assert len(_images(splits.train) | _images(splits.validation)) == 24
    assert not _images(splits.train) & _images(splits.validation)


def test_a_seed_of_the_split_decides_which_images_validate(
    make_folder: MakeFolder, load: Load
) -> None:
    from trainers.data.partition import DrawnSplit

    data_dir = make_folder()
    default, again, other = (
        load(data_dir, **({"split": DrawnSplit(seed=seed)} if seed else {}))
        for seed in (None, 316, 1)
    )
    assert _images(default.validation) == _images(again.validation)
    assert _images(default.validation) != _images(other.validation)


def test_a_folder_called_val_tests_where_there_is_no_test(
    make_folder: MakeFolder, load: Load
) -> None:
    assert load(make_folder(test="val")).checksum() == load(make_folder("other")).checksum()


def test_without_the_test_part_its_folder_is_not_opened(
    make_folder: MakeFolder, load: Load
) -> None:
    data_dir = make_folder()
    with_test = load(data_dir)
    for file in (data_dir / "tiny" / "test").rglob("*.png"):
        file.write_bytes(b"poison")
    shutil.rmtree(data_dir / ".bnn-cache")
    splits = load(data_dir, test=False)
    assert splits.test is None
    assert torch.equal(splits.train.own_images(), with_test.train.own_images())
    shutil.rmtree(data_dir / "tiny" / "test")
    assert load(data_dir, test=False).checksum() == splits.checksum() != with_test.checksum()


def test_grey_images_have_one_channel(make_folder: MakeFolder, load: Load) -> None:
    splits = load(make_folder(), channels=1, mean=(0.5,), std=(0.25,))
    assert splits.train.images.shape == (24, 1, 6, 6)


def test_resized_images_are_those_of_torchvision(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder(size=(13, 9))
    splits = load(data_dir, resize=True)
    chain = transforms.Compose(
        [transforms.Resize(6), transforms.CenterCrop(6), transforms.PILToTensor()]
    )
    with Image.open(data_dir / "tiny" / "test" / "ant" / "0.png") as image:
        assert torch.equal(splits.test.images[0], chain(image))


def test_the_first_image_of_another_size_is_named(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    for name in ("bee/5.png", "cat/1.png"):
        Image.new("RGB", (7, 6)).save(data_dir / "tiny" / "train" / name)
    with pytest.raises(SpecError, match=r"size: .*bee.5\.png has 7x6 pixels, not 6x6; .*resize"):
        load(data_dir)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param({"classes": 10}, "classes: .* has 3 classes, not 10", id="classes"),
        pytest.param({"train_images": 25}, "has 24 images, not 25; write train_", id="images"),
        pytest.param({"validation": 24}, "validation: must be between 1 and 23", id="all"),
        pytest.param({"validation": 0}, "validation: must be between 1 and 23", id="none"),
        pytest.param({"folder": "tinny"}, "folder: .*tinny.*is missing", id="no folder"),
    ],
)
def test_what_the_folder_does_not_hold_is_said(
    change: dict[str, Any], match: str, make_folder: MakeFolder, load: Load
) -> None:
    with pytest.raises(SpecError, match=match):
        load(make_folder(), **change)


def test_a_class_that_only_one_part_has_is_named(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    shutil.rmtree(data_dir / "tiny" / "test" / "bee")
    with pytest.raises(SpecError, match=r"tiny.test has no class bee"):
        load(data_dir)
    assert load(data_dir, test=False).test is None


def test_a_class_without_images_is_named(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    shutil.rmtree(data_dir / "tiny" / "train" / "cat")
    (data_dir / "tiny" / "train" / "cat").mkdir()
    (data_dir / "tiny" / "train" / "cat" / "notes.txt").write_text("none yet")
    with pytest.raises(SpecError, match="cat has no images"):
        load(data_dir)


def test_a_folder_without_folders_is_no_data_set(tmp_path: Path, load: Load) -> None:
    (tmp_path / "tiny" / "train").mkdir(parents=True)
    with pytest.raises(SpecError, match="has no subfolders, one for each class"):
        load(tmp_path, test=False)


def test_a_file_that_is_no_image_is_named(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    (data_dir / "tiny" / "train" / "bee" / "3.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(MissingDataError, match=r"bee.3\.png cannot be decoded"):
        load(data_dir)


def test_an_absolute_folder_may_lie_outside_the_data_folder(
    make_folder: MakeFolder, load: Load, tmp_path: Path
) -> None:
    inside = load(make_folder())
    outside = load(tmp_path / "new", folder=str(tmp_path / "data" / "tiny"))
    assert outside.checksum() == inside.checksum()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"size": 0}, "size"),
        ({"size": 513}, "size"),
        ({"classes": 1}, "classes"),
        ({"channels": 2}, "channels"),
        ({"channels": 1}, "mean std"),
        ({"mean": (0.5,)}, "mean"),
        ({"std": (0.5, 0.0, 0.5)}, "std"),
        ({"folder": ""}, "folder"),
    ],
)
def test_facts_that_no_folder_could_have_are_refused(change: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError, match=r"\S") as raised:
        IMAGE_FOLDER_SOURCE.facts({"folder": "tiny", **change})
    assert " ".join(fault.path for fault in raised.value.faults) == path


def test_facts_are_those_of_the_options() -> None:
    facts = IMAGE_FOLDER_SOURCE.facts({"folder": "x", "size": 8, "channels": 1, "mean": (0.5,),
        "std": (0.5,), "classes": 4, "train_images": 90, "validation": 20})  # fmt: skip
    assert (facts.shape, facts.num_classes, facts.num_train) == ((1, 8, 8), 4, 90)
    assert facts.num_trained == 70
    assert IMAGE_FOLDER_SOURCE.facts({"folder": "x"}).num_trained == 45_000
    assert image_folder_facts is IMAGE_FOLDER_SOURCE.facts_of


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"no file {ARCHIVE}")
def test_cifar10_as_images_has_its_usual_mean_and_deviation(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            # Of each class the first 100 to train and 10 to test: names are numbers.
            if re.fullmatch(r"(train/\w+/00\d\d|test/\w+/000\d)\.jpg", member.name):
                archive.extract(member, tmp_path / "cifar10", filter="data")
    splits = load_image_folder(tmp_path, folder="cifar10", train_images=1000, validation=100)
    assert splits.test is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [900, 100, 100]
    pixels = splits.train.images.double() / 255
    mean, deviation = (torch.tensor(part, dtype=torch.float64) for part in (MEAN, STD))
    torch.testing.assert_close(pixels.mean(dim=(0, 2, 3)), mean, rtol=0, atol=0.02)
    # The published one is the mean over images of each image's own.
    of_images = pixels.std(dim=(2, 3)).mean(dim=0)
    torch.testing.assert_close(of_images, deviation, rtol=0, atol=0.02)


def test_a_folder_in_the_home_folder_is_found(
    make_folder: MakeFolder, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(make_folder()))
    elsewhere = tmp_path / "elsewhere"
    assert len(load(elsewhere, folder="~/tiny").train) == 20
    assert not (elsewhere / "~").exists()
