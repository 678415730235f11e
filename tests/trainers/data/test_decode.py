"""What the pictures of a folder become, and how those that cannot be used are told."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainers.data.decode import decode
from trainers.data.listing import list_images
from trainers.data.pictures import STORED, UPPER_BYTE, Form
from trainers.data.refused import PicturesError
from trainers.errors import MissingDataError

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


def test_pixels_are_written_channel_by_channel(folder: Path) -> None:
    target = io.BytesIO()
    decode(list_images(folder), FORM, target)
    expected = [30] * 4 + [20] * 4 + [10] * 4 + [3] * 4 + [2] * 4 + [1] * 4
    assert list(target.getvalue()) == [*expected, *[250] * 4, *[240] * 4, *[230] * 4]


def test_the_checksum_is_that_of_the_content_and_not_of_its_dates(folder: Path) -> None:
    first = decode(list_images(folder), FORM, io.BytesIO())
    os.utime(folder / "dark" / "b.png", ns=(1, 1))
    assert decode(list_images(folder), FORM, io.BytesIO()) == first
    _image(folder / "dark" / "b.png", (3, 2, 2))
    assert decode(list_images(folder), FORM, io.BytesIO()) != first


@pytest.mark.parametrize(
    "form",
    [
        Form(size=2, channels=3, resize=True),
        Form(size=2, channels=3, resize=False, alpha="white"),
        Form(size=2, channels=3, resize=False, upright=True),
    ],
)
def test_the_checksum_knows_how_pictures_are_read(form: Form, folder: Path) -> None:
    usual = decode(list_images(folder), FORM, io.BytesIO()).checksum
    assert decode(list_images(folder), form, io.BytesIO()).checksum != usual


def test_another_version_of_reading_has_another_checksum_and_fingerprint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = list_images(folder)
    checksum, fingerprint = decode(listing, FORM, io.BytesIO()).checksum, listing.fingerprint(FORM)
    for module in ("decode", "listing"):
        monkeypatch.setattr(f"trainers.data.{module}.READING", 10**6)
    assert decode(listing, FORM, io.BytesIO()).checksum != checksum
    assert listing.fingerprint(FORM) != fingerprint


def test_all_broken_pictures_are_named_at_once(folder: Path) -> None:
    (folder / "dark" / "b.png").write_bytes(b"\x89PNG\r\n")
    whole = (folder / "light" / "2.png").read_bytes()
    (folder / "light" / "1.png").write_bytes(whole[: len(whole) // 2])
    Image.new("F", (2, 2)).save(folder / "light" / "3.tif")
    Image.new("RGB", (3, 2)).save(folder / "light" / "4.png")
    with pytest.raises(PicturesError, match=r"dark.b\.png cannot be decoded") as raised:
        decode(list_images(folder), FORM, io.BytesIO())
    faults = [
        (fault.path, Path(fault.what.partition(" ")[0]).name) for fault in raised.value.faults
    ]
    assert faults == [
        ("folder", "b.png"),
        ("folder", "1.png"),
        ("folder", "3.tif"),
        ("size", "4.png"),
    ]


def test_of_many_broken_pictures_ten_are_named_and_all_are_counted(folder: Path) -> None:
    for number in range(25):
        (folder / "dark" / f"{number:02}.png").write_bytes(b"broken")
    with pytest.raises(PicturesError, match="and 15 more; 25 in all") as raised:
        decode(list_images(folder), FORM, io.BytesIO())
    assert len(raised.value.faults) == 11
    assert "09.png" in str(raised.value)
    assert "10.png" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(folder: Path) -> None:
    listing = list_images(folder)
    (folder / "dark" / "b.png").unlink()
    (folder / "dark" / "b.png").mkdir()
    with pytest.raises(PicturesError, match=r"b\.png cannot be read \(Is a directory\)"):
        decode(listing, FORM, io.BytesIO())


def test_decisions_are_noted_with_the_number_of_pictures(folder: Path) -> None:
    for number in range(3):
        values = np.full((2, 2), 256 * number, dtype=np.uint16)
        Image.fromarray(values).save(folder / "dark" / f"deep{number}.png")
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new("RGB", (2, 2)).save(folder / "light" / "turned.jpg", exif=exif)
    notes = decode(list_images(folder), FORM, io.BytesIO()).notes
    assert notes == (
        f"{folder}: 3 of 7 pictures {UPPER_BYTE}, such as dark/deep0.png",
        f"{folder}: 1 of 7 pictures {STORED}, such as light/turned.jpg",
    )


def test_pillow_does_not_warn_about_metadata(
    folder: Path, recwarn: pytest.WarningsRecorder
) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\x12"
    Image.new("RGB", (2, 2)).save(folder / "light" / "odd.jpg", exif=exif)
    decode(list_images(folder), FORM, io.BytesIO())
    assert not recwarn.list


def test_names_that_are_not_utf8_are_read(folder: Path) -> None:
    (folder / "dark" / "b.png").rename(os.fsdecode(bytes(folder / "dark") + b"/caf\xe9.png"))
    odd = folder / "light" / "two\nlines.png"
    (folder / "light" / "2.png").rename(odd)
    target = io.BytesIO()
    decode(list_images(folder), FORM, target)
    assert list(target.getvalue())[12:16] == [3] * 4
    odd.write_bytes(b"broken")
    with pytest.raises(PicturesError, match=r"two\\nlines\.png cannot be decoded"):
        decode(list_images(folder), FORM, io.BytesIO())


def test_without_pillow_the_message_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = list_images(folder)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingDataError, match="pip install pillow"):
        decode(listing, FORM, io.BytesIO())
