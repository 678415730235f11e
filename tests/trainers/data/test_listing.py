"""What is listed of a folder, and what is refused there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from trainers.data.listing import SUFFIXES, list_images
from trainers.data.pictures import Form
from trainers.data.refused import PicturesError, Refused
from trainers.errors import MissingDataError, SpecError

FORM = Form(size=2, channels=3, resize=False)


def _image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2)).save(path, "PNG")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _image(tmp_path / "light" / "2.png")
    _image(tmp_path / "dark" / "b.png")
    _image(tmp_path / "dark" / "a.PNG")
    (tmp_path / "dark" / "notes.txt").write_text("no image")
    (tmp_path / "dark" / ".hidden.png").write_text("no image")
    return tmp_path


def test_files_are_sorted_by_class_then_name_and_others_passed_over(folder: Path) -> None:
    listing = list_images(folder)
    assert listing.classes == ("dark", "light")
    found = [(file.name, file.label) for file in listing.files]
    assert found == [("dark/a.PNG", 0), ("dark/b.png", 0), ("light/2.png", 1)]
    assert listing.others == 1


def test_the_fingerprint_sees_a_file_that_changed_and_another_form(folder: Path) -> None:
    before = list_images(folder).fingerprint(FORM)
    assert list_images(folder).fingerprint(FORM) == before
    assert list_images(folder).fingerprint(Form(size=2, channels=1, resize=False)) != before
    os.utime(folder / "dark" / "b.png", ns=(1, 1))
    assert list_images(folder).fingerprint(FORM) != before


def test_pictures_below_a_class_are_those_of_torchvisions_imagefolder_in_its_order(
    tmp_path: Path,
) -> None:
    from torchvision.datasets import ImageFolder

    names = ["images/2.png", "images/10.png", "images.old/1.png", "more/deep/1.JPG", "z/1.tif"]
    for name in names:
        _image(tmp_path / "cat" / name)
    _image(tmp_path / "ant" / "box" / "1.png")
    expected = [(Path(path), label) for path, label in ImageFolder(str(tmp_path)).samples]
    found = [(tmp_path / file.name, file.label) for file in list_images(tmp_path).files]
    assert found == expected
    assert len(found) == 6


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _dead(path: Path) -> None:
    path.symlink_to("nowhere.png")


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _folder(path: Path) -> None:
    _image(path / "inside.png")


@pytest.mark.parametrize(
    ("name", "make", "what"),
    [
        ("x.png", _empty, "is empty"),
        ("x.png", _dead, "is a link to nothing"),
        ("images", _dead, "is a link to nothing"),
        ("x.png", _circle, "is a link in a circle"),
        ("x.png", _folder, "is a folder"),
        ("x.png", os.mkfifo, "is no file, but a pipe or a device"),
        ("x.gif", _image, "is a picture of a format that is not read"),
        ("x.HEIC", _image, "is a picture of a format that is not read"),
        ("loop", lambda path: path.symlink_to(path.parent), "is a link to a folder above it"),
        ("top", lambda path: path.symlink_to("../.."), "is a link to a folder above it"),
    ],
)
def test_what_would_be_missing_in_silence_is_refused_by_name(
    name: str, make: Callable[[Path], object], what: str, tmp_path: Path
) -> None:
    folder = tmp_path / "train"
    _image(folder / "light" / "2.png")
    (folder / "dark").mkdir()
    make(folder / "dark" / name)
    with pytest.raises(PicturesError, match=what) as raised:
        list_images(folder)
    assert name in str(raised.value)


def test_everything_refused_is_named_at_once(folder: Path) -> None:
    _empty(folder / "dark" / "0.png")
    _dead(folder / "light" / "0.png")
    _dead(folder / "mean")
    _image(folder / "stray.png")
    (folder / "none").mkdir()
    refused = Refused()
    listing = list_images(folder, refused)
    assert [file.name for file in listing.files] == ["dark/a.PNG", "dark/b.png", "light/2.png"]
    with pytest.raises(PicturesError, match=r"\S") as raised:
        refused.check()
    named = {
        fault.what.partition(" ")[0].removeprefix(f"{folder}/") for fault in raised.value.faults
    }
    assert named == {"dark/0.png", "light/0.png", "mean", "stray.png", "none"}


def test_a_class_with_pictures_on_two_levels_is_refused(folder: Path) -> None:
    _image(folder / "dark" / "more" / "c.png")
    with pytest.raises(PicturesError, match="dark has images, and so has the folder dark/more"):
        list_images(folder)


def test_links_to_files_and_folders_are_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "red").symlink_to("dark")
    (folder / "light" / "3.png").symlink_to("../dark/b.png")
    names = [file.name for file in list_images(folder).files]
    assert names[2:] == ["light/2.png", "light/3.png", "red/a.PNG", "red/b.png"]


def test_names_sort_as_bytes_whatever_they_are(tmp_path: Path) -> None:
    for raw in (b"\xff.png", "é.png".encode(), "\U0001f600.png".encode(), b"Z.png", b"a\nb.png"):
        _image(Path(os.fsdecode(bytes(tmp_path) + b"/dark/" + raw)))
    listing = list_images(tmp_path)
    names = [os.fsencode(file.name).removeprefix(b"dark/") for file in listing.files]
    assert names == sorted(names)
    assert len(listing.fingerprint(FORM)) == 32


def test_a_class_may_have_a_name_that_is_not_utf8(folder: Path) -> None:
    (folder / "light").rename(os.fsdecode(bytes(folder) + b"/caf\xe9"))
    assert [os.fsencode(name) for name in list_images(folder).classes] == [b"caf\xe9", b"dark"]
    (folder / os.fsdecode(b"caf\xe9") / "2.png").write_bytes(b"")
    with pytest.raises(PicturesError, match=r"caf\\xe9/2\.png is empty"):
        list_images(folder)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes_are_read_in_small_and_capital_letters(suffix: str, tmp_path: Path) -> None:
    for name in (f"1{suffix}", f"2{suffix.upper()}"):
        _image(tmp_path / "dark" / name)
    assert len(list_images(tmp_path).files) == 2


def test_a_folder_without_classes_says_where_its_pictures_are(tmp_path: Path) -> None:
    _image(tmp_path / "val" / "1.png")
    with pytest.raises(SpecError, match=r"no subfolders.*in no class: 1, such as 1\.png"):
        list_images(tmp_path / "val")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="nothing is missing or cannot be read"):
        list_images(tmp_path / "nothing")
