"""What is listed of a folder, and what its pictures become."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from trainers.data.decode import Form, decode, list_images

FORM = Form(size=2, channels=3, resize=False)


def _image(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (2, 2), colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _image(tmp_path / "light" / "2.png", (250, 240, 230))
    _image(tmp_path / "dark" / "b.png", (3, 2, 1))
    _image(tmp_path / "dark" / "a.PNG", (30, 20, 10))
    (tmp_path / "dark" / "notes.txt").write_text("no image")
    (tmp_path / "dark" / ".hidden.png").write_text("no image")
    return tmp_path


def test_files_are_sorted_by_class_then_name_and_others_passed_over(folder: Path) -> None:
    listing = list_images(folder)
    assert listing.classes == ("dark", "light")
    found = [(file.name, file.label) for file in listing.files]
    assert found == [("dark/a.PNG", 0), ("dark/b.png", 0), ("light/2.png", 1)]


def test_pixels_are_written_channel_by_channel(folder: Path) -> None:
    target = io.BytesIO()
    decode(list_images(folder), FORM, target)
    expected = [30] * 4 + [20] * 4 + [10] * 4 + [3] * 4 + [2] * 4 + [1] * 4
    assert list(target.getvalue()) == [*expected, *[250] * 4, *[240] * 4, *[230] * 4]


def test_the_fingerprint_sees_a_file_that_changed_and_another_form(folder: Path) -> None:
    before = list_images(folder).fingerprint(FORM)
    assert list_images(folder).fingerprint(FORM) == before
    assert list_images(folder).fingerprint(Form(size=2, channels=1, resize=False)) != before
    os.utime(folder / "dark" / "b.png", ns=(1, 1))
    assert list_images(folder).fingerprint(FORM) != before


def test_the_checksum_is_that_of_the_content_and_not_of_its_dates(folder: Path) -> None:
    first = decode(list_images(folder), FORM, io.BytesIO())
    os.utime(folder / "dark" / "b.png", ns=(1, 1))
    assert decode(list_images(folder), FORM, io.BytesIO()) == first
    _image(folder / "dark" / "b.png", (3, 2, 2))
    assert decode(list_images(folder), FORM, io.BytesIO()) != first
