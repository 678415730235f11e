"""Every kind of picture: what it becomes, or why it is refused."""

import contextlib
import io
import random
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from trainers.data.pictures import (
    FIRST,
    INKS,
    PROFILE,
    READ_MODES,
    STORED,
    TURNED,
    UPPER_BYTE,
    Form,
    picture,
)
from trainers.data.refused import Kind, UnusableError

SIZE = 8
GREY, COLOUR = 1, 3
DRAWN = np.random.default_rng(7)
PIXELS = DRAWN.integers(0, 256, (SIZE, SIZE, 4), dtype=np.uint8)
DEEP = DRAWN.integers(0, 1 << 16, (SIZE, SIZE), dtype=np.uint16)
OPAQUE = np.dstack([PIXELS[..., :3], np.full((SIZE, SIZE), 255, dtype=np.uint8)])


def form(channels: int = COLOUR, **more: Any) -> Form:
    return Form(**{"size": SIZE, "channels": channels, "resize": False, **more})


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, format, **options)
    return target.getvalue()


def rgb() -> Image.Image:
    return Image.fromarray(PIXELS[..., :3].copy())


def read(content: bytes, **more: Any) -> NDArray[np.uint8]:
    return np.asarray(picture(content, form(**more)).image)


def png(depth: int, kind: int, rows: bytes, **chunks: bytes) -> bytes:
    """A PNG of any depth and kind of colour; each row of pixels is packed already."""
    step = len(rows) // SIZE
    pixels = b"".join(b"\0" + rows[step * row : step * (row + 1)] for row in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, depth, kind, 0, 0, 0)
    parts = {"IHDR": header, **chunks, "IDAT": zlib.compress(pixels), "IEND": b""}
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in parts.items():
        content += struct.pack(">I", len(data)) + name.encode() + data
        content += struct.pack(">I", zlib.crc32(name.encode() + data))
    return content


def tiff(pixels: bytes, **tags: Any) -> bytes:
    """A little-endian TIFF with one strip; tags by number, as `t258=8`."""
    usual = {256: SIZE, 257: SIZE, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: SIZE}
    given = {int(name[1:]): value for name, value in tags.items()}
    entries = sorted({**usual, 279: len(pixels), **given}.items())
    content = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels
    content += struct.pack("<H", len(entries))
    for tag, value in entries:
        values = value if isinstance(value, tuple) else (value,)
        assert len(values) <= 2
        content += struct.pack(
            "<HHI4s", tag, 3, len(values), struct.pack(f"<{len(values)}H", *values)
        )
    return content + struct.pack("<I", 0)


def animated(format: str) -> bytes:
    frames = [Image.new("RGB", (SIZE, SIZE), (shade, 0, 0)) for shade in (10, 200)]
    return saved(frames[0], format, save_all=True, append_images=frames[1:])


def turned(format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    return saved(rgb(), format, exif=exif, **options)


ORDINARY = {
    "RGB PNG": saved(rgb(), "PNG"),
    "RGB JPEG": saved(rgb(), "JPEG"),
    "RGB progressive JPEG": saved(rgb(), "JPEG", progressive=True),
    "RGB WebP": saved(rgb(), "WEBP"),
    "RGB BMP": saved(rgb(), "BMP"),
    "RGB PPM": saved(rgb(), "PPM"),
    "RGB TIFF": saved(rgb(), "TIFF"),
    "RGB TIFF, packed": saved(rgb(), "TIFF", compression="tiff_lzw"),
    "L PNG": saved(rgb().convert("L"), "PNG"),
    "L JPEG": saved(rgb().convert("L"), "JPEG"),
    "L BMP": saved(rgb().convert("L"), "BMP"),
    "L PGM": saved(rgb().convert("L"), "PPM"),
    "L TIFF": saved(rgb().convert("L"), "TIFF"),
    "1 PNG": saved(rgb().convert("1"), "PNG"),
    "1 TIFF": saved(rgb().convert("1"), "TIFF"),
    "P PNG": saved(rgb().quantize(16), "PNG"),
    "P BMP": saved(rgb().quantize(16), "BMP"),
    "P TIFF": saved(rgb().quantize(16), "TIFF"),
    "YCbCr TIFF": saved(rgb().convert("YCbCr"), "TIFF"),
    "YCbCr TIFF, packed as JPEG": saved(rgb(), "TIFF", compression="jpeg"),
    "grey of 4 bits": png(4, 0, PIXELS[..., 0].tobytes()[: SIZE * SIZE // 2]),
    "grey of 2 bits": png(2, 0, PIXELS[..., 0].tobytes()[: SIZE * SIZE // 4]),
    "PPM with a maximum of 15": b"P5 8 8 15\n" + (PIXELS[..., 0] >> 4).tobytes(),
    "damaged EXIF": saved(rgb(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\x12"),
    "EXIF, upright": turned("JPEG", 1),
}


@pytest.mark.parametrize("channels", [GREY, COLOUR])
@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_pictures_become_what_pillow_converts_them_to(kind: str, channels: int) -> None:
    found = picture(ORDINARY[kind], form(channels))
    with Image.open(io.BytesIO(ORDINARY[kind])) as opened:
        expected = opened.convert("L" if channels == GREY else "RGB")
    assert found.image.mode == expected.mode
    assert found.image.tobytes() == expected.tobytes()
    assert found.notes == ()


def test_grey_of_a_few_bits_is_scaled_to_the_full_range() -> None:
    rows = bytes(range(0, 256, 8))
    nibbles = np.array([[value >> 4, value & 15] for value in rows]).reshape(SIZE, SIZE)
    assert np.array_equal(read(png(4, 0, rows), channels=GREY), nibbles * 17)


def test_grey_is_repeated_and_colours_become_their_luma() -> None:
    grey = rgb().convert("L")
    assert np.array_equal(read(saved(grey, "PNG")), np.dstack([np.asarray(grey)] * 3))
    weights = np.array([0.299, 0.587, 0.114])
    luma = PIXELS[..., :3] @ weights
    assert np.abs(read(saved(rgb(), "PNG"), channels=GREY) - luma).max() <= 0.5 + 1e-3


def big_endian() -> Image.Image:
    return Image.frombytes("I;16B", (SIZE, SIZE), DEEP.astype(">u2").tobytes())


SIXTEEN = {
    "PNG": saved(Image.fromarray(DEEP), "PNG"),
    "PGM": saved(Image.fromarray(DEEP), "PPM"),
    "plain PGM": b"P2 8 8 65535\n" + " ".join(map(str, DEEP.flatten())).encode(),
    "TIFF": saved(Image.fromarray(DEEP), "TIFF"),
    "TIFF, packed": saved(Image.fromarray(DEEP), "TIFF", compression="tiff_lzw"),
    "big-endian TIFF": saved(big_endian(), "TIFF"),
}


@pytest.mark.parametrize("kind", SIXTEEN)
def test_grey_of_16_bits_is_its_upper_byte_and_that_is_noted(kind: str) -> None:
    found = picture(SIXTEEN[kind], form(GREY))
    assert np.array_equal(np.asarray(found.image), DEEP >> 8)
    assert found.notes == (UPPER_BYTE,)
    colours = read(SIXTEEN[kind])
    assert np.array_equal(colours, np.dstack([DEEP >> 8] * 3))


def test_grey_of_16_bits_spans_black_to_white() -> None:
    ramp = np.linspace(0, 65535, SIZE * SIZE).astype(np.uint16).reshape(SIZE, SIZE)
    found = read(saved(Image.fromarray(ramp), "PNG"), channels=GREY)
    assert (found.min(), found.max(), len(np.unique(found))) == (0, 255, SIZE * SIZE)


def test_grey_of_16_bits_is_scaled_to_another_size() -> None:
    ramp = np.repeat(np.linspace(0, 65535, 16).astype(np.uint16), 16).reshape(16, 16)
    found = read(saved(Image.fromarray(ramp), "PNG"), channels=GREY, resize=True)
    assert found.shape == (SIZE, SIZE)
    assert found[0].max() < 30
    assert found[-1].min() > 225


def test_grey_of_10_bits_in_pgm_is_scaled_by_its_maximum() -> None:
    values = np.linspace(0, 1023, SIZE * SIZE).astype(">u2").reshape(SIZE, SIZE)
    found = picture(b"P5 8 8 1023\n" + values.tobytes(), form(GREY))
    assert np.abs(np.asarray(found.image) - values / 1023 * 255).max() <= 1
    assert found.notes == (UPPER_BYTE,)


def deep(pixels: NDArray[np.uint8]) -> bytes:
    """The same in 16 bits, the larger byte first."""
    return (pixels.astype(np.uint16) * 257).astype(">u2").tobytes()


def wide() -> bytes:
    return deep(PIXELS[..., :3])


@pytest.mark.parametrize(
    "content",
    [
        png(16, 2, wide()),
        b"P6 8 8 65535\n" + wide(),
        png(16, 6, deep(OPAQUE)),
    ],
    ids=["PNG", "PPM", "PNG with alpha"],
)
def test_colours_of_16_bits_lose_their_lower_ones_and_that_is_noted(content: bytes) -> None:
    found = picture(content, form())
    assert np.array_equal(np.asarray(found.image), PIXELS[..., :3])
    assert found.notes == (UPPER_BYTE,)


def palette(alpha: bytes | int) -> bytes:
    return saved(rgb().quantize(4), "PNG", transparency=alpha)


def with_alpha(pixels: NDArray[np.uint8], format: str) -> bytes:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    return saved(Image.fromarray(pixels), format, **options)


def key(red: int) -> bytes:
    return saved(rgb(), "PNG", transparency=(red, int(PIXELS[0, 0, 1]), int(PIXELS[0, 0, 2])))


FIRST_RED = int(PIXELS[0, 0, 0])
OPAQUE_FILES = {
    "RGBA PNG": with_alpha(OPAQUE, "PNG"),
    "RGBA WebP": with_alpha(OPAQUE, "WEBP"),
    "RGBA TIFF": with_alpha(OPAQUE, "TIFF"),
    "LA PNG": with_alpha(OPAQUE[..., [0, 3]].copy(), "PNG"),
    "palette, all opaque": palette(b"\xff" * 4),
    "palette, unused entry": palette(b"\xff" * 4 + b"\0" * 4),
    "a colour that is not there": key((FIRST_RED + 1) % 256),
}
CLEAR_FILES = {
    "RGBA PNG": with_alpha(PIXELS, "PNG"),
    "RGBA WebP": with_alpha(PIXELS, "WEBP"),
    "RGBA TIFF": with_alpha(PIXELS, "TIFF"),
    "RGBA of 16 bits": png(16, 6, deep(PIXELS)),
    "LA PNG": with_alpha(PIXELS[..., [0, 3]].copy(), "PNG"),
    "LA of 16 bits": png(16, 4, deep(PIXELS[..., [0, 3]])),
    "palette, one entry": palette(1),
    "palette, half of it": palette(bytes([0, 100, 200, 255])),
    "a colour": key(FIRST_RED),
    "a grey": png(8, 0, PIXELS[..., 0].tobytes(), tRNS=struct.pack(">H", FIRST_RED)),
}
UNTOLD_FILES = {
    "a grey of 16 bits": png(16, 0, DEEP.astype(">u2").tobytes(), tRNS=b"\0\0"),
    "a grey of 4 bits": png(4, 0, bytes(SIZE * SIZE // 2), tRNS=b"\0\x0f"),
    "a colour of 16 bits": png(16, 2, wide(), tRNS=bytes(6)),
}


@pytest.mark.parametrize("channels", [GREY, COLOUR])
@pytest.mark.parametrize("kind", OPAQUE_FILES)
def test_pictures_whose_pixels_are_all_opaque_are_read(kind: str, channels: int) -> None:
    found = picture(OPAQUE_FILES[kind], form(channels))
    with Image.open(io.BytesIO(OPAQUE_FILES[kind])) as opened:
        opened.info.pop("transparency", None)
        expected = opened.convert("L" if channels == GREY else "RGB")
    assert found.image.tobytes() == expected.tobytes()
    assert found.notes == ()


@pytest.mark.parametrize("kind", {**CLEAR_FILES, **UNTOLD_FILES})
def test_transparent_pixels_are_refused(kind: str) -> None:
    with pytest.raises(UnusableError, match="transparent") as raised:
        picture({**CLEAR_FILES, **UNTOLD_FILES}[kind], form())
    assert raised.value.kind is Kind.ALPHA


@pytest.mark.parametrize("kind", {**CLEAR_FILES, **UNTOLD_FILES})
def test_drop_takes_the_colours_that_torchvision_takes(kind: str) -> None:
    content = {**CLEAR_FILES, **UNTOLD_FILES}[kind]
    found = read(content, alpha="drop")
    if kind == "a grey of 16 bits":
        assert np.array_equal(found[..., 0], DEEP >> 8)
        return
    with Image.open(io.BytesIO(content)) as opened:
        opened.info.pop("transparency", None)
        assert np.array_equal(found, np.asarray(opened.convert("RGB")))


@pytest.mark.parametrize(("alpha", "ground"), [("white", 255), ("black", 0)])
@pytest.mark.parametrize("kind", CLEAR_FILES)
def test_transparent_pixels_are_laid_on_a_colour(kind: str, alpha: str, ground: int) -> None:
    found = read(CLEAR_FILES[kind], alpha=alpha)
    with Image.open(io.BytesIO(CLEAR_FILES[kind])) as opened:
        layers = np.asarray(opened.convert("RGBA")).astype(float)
    share = layers[..., 3:] / 255
    assert share.min() < 1
    expected = layers[..., :3] * share + ground * (1 - share)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("kind", UNTOLD_FILES)
def test_a_transparent_colour_that_pillow_cannot_find_is_never_laid_on_another(kind: str) -> None:
    with pytest.raises(UnusableError, match="only `drop` reads it"):
        picture(UNTOLD_FILES[kind], form(alpha="white"))


TURNS: list[Any] = [(name, turn) for name in ("JPEG", "PNG", "WEBP") for turn in range(2, 9)]


@pytest.mark.parametrize(("format", "orientation"), TURNS)
def test_an_orientation_is_noted_or_applied(format: str, orientation: int) -> None:
    content = turned(format, orientation)
    with Image.open(io.BytesIO(content)) as opened:
        stored = np.asarray(opened.convert("RGB"))
        upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    found = picture(content, form())
    assert np.array_equal(np.asarray(found.image), stored)
    assert found.notes == (STORED,)
    found = picture(content, form(upright=True))
    assert np.array_equal(np.asarray(found.image), upright)
    assert found.notes == ()


def test_a_picture_is_turned_before_its_centre_is_cut_out() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(DRAWN.integers(0, 256, (10, 16, 3), dtype=np.uint8))
    content = saved(stored, "PNG", exif=exif)
    upright = saved(stored.transpose(Image.Transpose.ROTATE_270), "PNG")
    found = read(content, upright=True, resize=True)
    assert np.array_equal(found, read(upright, resize=True))


def test_an_orientation_behind_the_pixels_is_seen() -> None:
    parts = turned("PNG", 3)
    plain = saved(rgb(), "PNG")
    start = parts.index(b"eXIf") - 4
    length = struct.unpack(">I", parts[start : start + 4])[0] + 12
    content = plain[:-12] + parts[start : start + length] + plain[-12:]
    assert picture(content, form()).notes == (STORED,)


def test_the_orientation_of_a_tiff_is_applied_by_pillow_and_noted() -> None:
    content = saved(rgb(), "TIFF", tiffinfo={274: 3})
    found = picture(content, form())
    assert np.array_equal(np.asarray(found.image), PIXELS[::-1, ::-1, :3])
    assert found.notes == (TURNED,)


def test_cmyk_is_converted_and_noted() -> None:
    inks = Image.frombytes("CMYK", (SIZE, SIZE), PIXELS.tobytes())
    found = picture(saved(inks, "TIFF"), form())
    light = 255 - PIXELS.astype(float)
    expected = light[..., :3] * light[..., 3:] / 255
    assert np.abs(np.asarray(found.image) - expected).max() <= 1
    assert found.notes == (INKS,)
    flat = Image.new("CMYK", (SIZE, SIZE), (0, 0, 0, 0))
    assert read(saved(flat, "JPEG")).min() > 250


def test_profiles_and_gamma_are_noted_and_change_nothing() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rows = PIXELS[..., 0].tobytes()
    for content in (
        saved(rgb().convert("L"), "PNG", icc_profile=profile),
        png(8, 0, rows, gAMA=struct.pack(">I", 100_000)),
    ):
        found = picture(content, form(GREY))
        assert found.notes == (PROFILE,)
    assert np.array_equal(np.asarray(found.image), PIXELS[..., 0])
    assert picture(png(8, 0, rows, gAMA=struct.pack(">I", 45_455)), form()).notes == ()


def test_of_several_pictures_in_a_jpeg_the_first_is_read_and_that_is_noted() -> None:
    found = picture(animated("MPO"), form())
    assert found.notes == (FIRST,)
    assert np.asarray(found.image)[..., 0].max() < 30


REFUSED = {
    "floating point": (saved(Image.new("F", (SIZE, SIZE)), "TIFF"), "mode F .floating-point"),
    "floating point in PFM": (saved(Image.new("F", (SIZE, SIZE)), "PPM"), "mode F"),
    "32 bits": (saved(Image.new("I", (SIZE, SIZE)), "TIFF"), "mode I .32-bit"),
    "L*a*b*": (saved(Image.new("LAB", (SIZE, SIZE)), "TIFF"), "mode LAB"),
    "palette with alpha": (saved(rgb().quantize(4).convert("PA"), "TIFF"), "mode PA"),
    "APNG": (animated("PNG"), "is an animation or has several pages .2."),
    "animated WebP": (animated("WEBP"), "is an animation"),
    "two pages": (animated("TIFF"), "has several pages .2."),
    "12 bits": (tiff(bytes(96), t258=12), "has 12 bits for each value"),
    "signed bytes": (tiff(bytes(64), t339=2), "signed"),
    "signed 16 bits": (tiff(bytes(128), t258=16, t339=2), "mode I"),
    "white is 0, 16 bits": (tiff(bytes(128), t258=16, t262=0), "white as 0"),
    "an unnamed channel": (
        tiff(bytes(128), t258=(8, 8), t277=2, t338=0),
        "has 2 channels, of which Pillow reads 1",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_lose_or_change_something_is_refused(kind: str) -> None:
    content, message = REFUSED[kind]
    for channels in (GREY, COLOUR):
        with pytest.raises(UnusableError, match=message) as raised:
            picture(content, form(channels))
        assert raised.value.kind is Kind.MODE


def test_the_same_tiff_is_read_where_nothing_is_odd() -> None:
    rows = PIXELS[..., 0].tobytes()
    assert np.array_equal(read(tiff(rows), channels=GREY), PIXELS[..., 0])
    assert np.array_equal(read(tiff(rows, t262=0), channels=GREY), 255 - PIXELS[..., 0])


@pytest.mark.parametrize(
    "content",
    [
        saved(rgb().quantize(16), "GIF"),
        saved(rgb(), "ICO", sizes=[(SIZE, SIZE)]),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        b"",
        b"<html>moved</html>",
        b"\x89PNG\r\n",
    ],
    ids=["GIF", "ICO", "EPS", "nothing", "a page", "a start"],
)
def test_other_formats_are_refused_whatever_their_name(content: bytes) -> None:
    with pytest.raises(UnusableError, match=r"cannot be decoded \(no picture in JPEG") as raised:
        picture(content, form())
    assert raised.value.kind is Kind.FILE


DAMAGED = {
    **{kind: ORDINARY[kind] for kind in ORDINARY if "bits" not in kind},
    "RGBA WebP": OPAQUE_FILES["RGBA WebP"],
    "I;16 TIFF": SIXTEEN["TIFF"],
    "MPO": animated("MPO"),
    "CMYK JPEG": saved(rgb().convert("CMYK"), "JPEG"),
}


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_is_refused_or_read_and_never_more(kind: str) -> None:
    content, drawn = DAMAGED[kind], random.Random(kind)
    whole = np.asarray(picture(content, form()).image).tobytes()
    num_refused = 0
    for _ in range(40):
        cut = content[: drawn.randrange(len(content))]
        try:
            found = picture(cut, form())
        except UnusableError:
            num_refused += 1
        else:
            # Only what is behind the pixels is missing.
            assert found.image.tobytes() == whole or "JPEG" in kind or kind == "MPO"
    assert num_refused > 20
    for _ in range(40):
        flipped = bytearray(content)
        for _ in range(3):
            flipped[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
        with contextlib.suppress(UnusableError):
            picture(bytes(flipped), form())


def test_another_size_is_refused_before_anything_is_decoded() -> None:
    content = saved(Image.new("RGB", (9, SIZE)), "PNG")
    with pytest.raises(UnusableError, match="has 9x8 pixels, not 8x8") as raised:
        picture(content[:60], form())
    assert raised.value.kind is Kind.SIZE


def test_a_picture_too_thin_to_scale_is_refused() -> None:
    content = saved(Image.new("L", (1, 60_000)), "PNG")
    with pytest.raises(UnusableError, match="too long and thin"):
        picture(content, form(resize=True, size=512))


def test_a_picture_too_large_for_pillow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 20)
    with pytest.raises(UnusableError, match="exceeds limit of 40 pixels"):
        picture(ORDINARY["RGB PNG"], form())


def test_every_mode_of_pillow_is_in_the_table_of_the_page() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "image-folders.md"
    words = set(re.split(r"[,() ]+|; ", page.read_text(encoding="utf-8")))
    refused = {"F", "HSV", "I", "LAB", "La", "PA", "RGBX", "RGBa"}
    assert READ_MODES | refused <= words
