"""Which folders train and test, and what is said where they do not fit."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trainers.data.splits import Splits
from trainers.errors import MissingDataError, SpecError

MakeFolder = Callable[..., Path]
Load = Callable[..., Splits]


@pytest.fixture
def data_dir(make_folder: MakeFolder) -> Path:
    """A folder with `train/`, a good `val/`, and a `test/` that nobody labelled."""
    folder = make_folder(test="val")
    unknown = folder / "tiny" / "test" / "unknown"
    unknown.mkdir(parents=True)
    shutil.copy(folder / "tiny" / "val" / "ant" / "0.png", unknown)
    return folder


def test_a_test_folder_without_labels_names_the_good_val(data_dir: Path, load: Load) -> None:
    with pytest.raises(SpecError, match="tiny/test has no class ant") as raised:
        load(data_dir)
    assert "test_folder: val" in str(raised.value)


def test_flat_pictures_in_test_name_the_good_val(data_dir: Path, load: Load) -> None:
    flat = data_dir / "tiny" / "test"
    shutil.move(flat / "unknown" / "0.png", flat / "0.png")
    (flat / "unknown").rmdir()
    with pytest.raises(SpecError, match="no subfolders") as raised:
        load(data_dir)
    assert "test_folder: val" in str(raised.value)


def test_the_key_chooses_the_folder_that_tests(
    data_dir: Path, load: Load, make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = load(data_dir, test_folder="val")
    assert chosen.checksum() == load(make_folder("other")).checksum()
    (data_dir / "tiny" / "val").rename(data_dir / "tiny" / "Testing")
    assert load(data_dir, test_folder="Testing").checksum() == chosen.checksum()
    assert caplog.text == ""


def test_a_val_beside_a_good_test_is_said(
    make_folder: MakeFolder, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = make_folder()
    shutil.copytree(data_dir / "tiny" / "test", data_dir / "tiny" / "val")
    with caplog.at_level(logging.WARNING):
        load(data_dir)
    assert "val/ beside it is not read; write `test_folder: val`" in caplog.text


@pytest.mark.parametrize("name", ["", "train", "./train"])
def test_a_folder_that_cannot_test_is_refused(
    name: str, make_folder: MakeFolder, load: Load
) -> None:
    with pytest.raises(SpecError, match="test_folder: "):
        load(make_folder(), test_folder=name)


def test_where_a_part_is_missing_the_message_says_what_is_there(
    make_folder: MakeFolder, load: Load
) -> None:
    data_dir = make_folder()
    (data_dir / "tiny" / "train").rename(data_dir / "tiny" / "Training")
    with pytest.raises(MissingDataError, match="has the folders Training, test"):
        load(data_dir)


def test_a_class_of_another_spelling_is_shown(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    (data_dir / "tiny" / "test" / "bee").rename(data_dir / "tiny" / "test" / "Bee")
    with pytest.raises(SpecError, match="has no class bee, did you mean 'Bee'"):
        load(data_dir)


def test_files_that_are_not_counted_are_said_where_the_number_differs(
    make_folder: MakeFolder, load: Load
) -> None:
    data_dir = make_folder()
    image = data_dir / "tiny" / "train" / "ant" / "0.png"
    image.rename(image.with_suffix(""))
    with pytest.raises(SpecError, match=r"23 images, not 24; .*; 1 files without a suffix"):
        load(data_dir)


def test_broken_pictures_of_both_parts_are_named_at_once(
    make_folder: MakeFolder, load: Load
) -> None:
    data_dir = make_folder()
    for name in ("train/ant/0.png", "test/cat/1.png"):
        (data_dir / "tiny" / name).write_bytes(b"")
    with pytest.raises(MissingDataError, match=r"train/ant/0\.png is empty") as raised:
        load(data_dir)
    assert "test/cat/1.png is empty" in str(raised.value)
    for name in ("train/ant/0.png", "test/cat/1.png"):
        (data_dir / "tiny" / name).write_bytes(b"broken")
    with pytest.raises(MissingDataError, match=r"train/ant/0\.png cannot be decoded") as raised:
        load(data_dir)
    assert "test/cat/1.png cannot be decoded" in str(raised.value)


@pytest.mark.parametrize("empty", ["train", "test"])
def test_what_listing_finds_and_what_decoding_finds_are_named_at_once(
    empty: str, make_folder: MakeFolder, load: Load
) -> None:
    data_dir = make_folder()
    (data_dir / "tiny" / empty / "bee" / "1.png").write_bytes(b"")
    for name in ("train/ant/0.png", "test/cat/1.png"):
        (data_dir / "tiny" / name).write_bytes(b"broken")
    with pytest.raises(MissingDataError, match=rf"{empty}/bee/1\.png is empty") as raised:
        load(data_dir)
    assert len(raised.value.faults) == 3
    assert "train/ant/0.png cannot be decoded" in str(raised.value)
    assert "test/cat/1.png cannot be decoded" in str(raised.value)
