"""Photographs to bytes: the same bits with and without torchcodec."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.photographs import photograph
from trainers.data import photograph as module
from trainers.data.photograph import by_pillow, decoded
from trainers.data.refused import UnusableError


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    photograph(tmp_path / "a.JPEG", seed=1)
    return (tmp_path / "a.JPEG").read_bytes()


def _saved(content: bytes, mode: str, form: str, **options: object) -> bytes:
    target = BytesIO()
    with Image.open(BytesIO(content)) as image:
        image.convert(mode).save(target, form, **options)
    return target.getvalue()


@pytest.mark.parametrize(
    ("mode", "form"), [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG")]
)
def test_every_kind_in_imagenet_is_decoded_as_pillow_does(
    mode: str, form: str, content: bytes
) -> None:
    file = _saved(content, mode, form)
    with Image.open(BytesIO(file)) as image:
        expected = torch.from_numpy(np.array(image.convert("RGB"))).movedim(2, 0)
    assert torch.equal(decoded(file), expected)
    assert torch.equal(by_pillow(file), expected)


def test_an_orientation_is_not_applied(content: bytes) -> None:
    exif = Image.Exif()
    exif[274] = 6
    turned = _saved(content, "RGB", "JPEG", exif=exif.tobytes())
    assert decoded(turned).shape == decoded(content).shape == (3, 30, 40)


def test_a_quick_decoder_is_asked_for_plain_jpegs_alone(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = torch.zeros(3, 1, 1, dtype=torch.uint8)
    monkeypatch.setattr(module, "_fast", lambda: lambda file: mark)
    assert decoded(content) is mark
    assert decoded(_saved(content, "RGB", "PNG")).shape == (3, 30, 40)
    exif = Image.Exif()
    exif[274] = 3
    assert decoded(_saved(content, "RGB", "JPEG", exif=exif.tobytes())) is not mark


def test_exif_is_found_before_the_pixels_and_nowhere_else(content: bytes) -> None:
    turned = _saved(content, "RGB", "JPEG", exif=b"Exif\0\0 and so on")
    assert module._has_exif(turned)
    # Bytes that may stand between segments, and a segment of another kind before EXIF.
    for odd in (b"\xff", b"\xff\x01", b"\xff\xfe\x00\x05abc", b"\xff\xfe\x00\x00"):
        assert module._has_exif(turned[:2] + odd + turned[2:])
    assert not module._has_exif(content + b"Exif\0")
    # A progressive one may have it between its scans, where torchcodec looks for it, too.
    progressive = _saved(content, "RGB", "JPEG", progressive=True)
    assert not module._has_exif(progressive)
    last = progressive.rindex(b"\xff\xda")
    exif = b"Exif\0\0 and so on"
    segment = b"\xff\xe1" + (2 + len(exif)).to_bytes(2, "big") + exif
    assert module._has_exif(progressive[:last] + segment + progressive[last:])
    assert not module._has_exif(_saved(content, "RGB", "JPEG", comment=b"Exif\0 is elsewhere"))
    for end in range(len(content)):
        assert not module._has_exif(content[:end])


def test_pillow_has_the_last_word_on_what_is_damaged(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: bytes) -> torch.Tensor:
        raise RuntimeError("damaged")

    monkeypatch.setattr(module, "_fast", lambda: fails)
    assert torch.equal(decoded(content), by_pillow(content))
    with pytest.raises(UnusableError, match="cannot be decoded"):
        decoded(content[:200])
