"""A colour photograph as it lies in its file, decoded to bytes.

torchcodec decodes what it is sure to decode to Pillow's very bits, in less time; Pillow decodes
the rest, and everything where torchcodec is not installed. So the decoder changes no result.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

from trainers.data.pictures import Form, picture

JPEG = b"\xff\xd8\xff"
EXIF, EXIF_KIND, SCAN_KIND = b"Exif\0", 0xE1, 0xDA
"""How EXIF begins, and the kinds of its segment of a JPEG and of that of the pixels behind it."""
ONE_SCAN_KINDS = (0xC0, 0xC1)
"""The kinds of a frame whose pixels may all be in one scan; it tells the number of channels."""
WITH_LENGTH = frozenset(range(0xC0, 0xFF)) - frozenset(range(0xD0, 0xDA))
"""The kinds of segments that say how long they are."""
WHOLE = Form(size=1, channels=3, resize="whole")
Decoder = Callable[[Tensor], Tensor]


def decoded(content: bytes) -> Tensor:
    """Decodes a file, whatever its suffix, to (3, height, width), uint8.

    Raises:
        UnusableError: If the file is damaged, or no picture of a kind that is read.
    """
    fast = _fast()
    if fast is not None and content.startswith(JPEG) and not _has_exif(content):
        try:
            # Given bytes, torchcodec would switch off the warnings of all threads meanwhile.
            return fast(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        # What is damaged for torchcodec is shown to Pillow, which has the last word.
        except RuntimeError:
            pass
    return by_pillow(content)


def by_pillow(content: bytes) -> Tensor:
    """Does the same with Pillow alone."""
    import numpy as np

    pixels = np.array(picture(content, WHOLE).image)
    return torch.from_numpy(pixels).movedim(2, 0)


def _has_exif(content: bytes) -> bool:
    """Whether a JPEG may have an orientation.

    torchcodec turns photographs as it says; the published pipelines do not.
    """
    at, num_channels = 2, -1
    while content[at : at + 1] == b"\xff" and len(content) >= at + 10:
        kind = content[at + 1]
        if kind == SCAN_KIND and content[at + 4] == num_channels:
            return False
        if kind == EXIF_KIND and content.startswith(EXIF, at + 4):
            return True
        if kind == SCAN_KIND or kind not in WITH_LENGTH:
            break
        if kind in ONE_SCAN_KINDS:
            num_channels = content[at + 9]
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    # What is no row of segments, or has several scans and perhaps EXIF between them, is searched.
    return EXIF in content


@cache
def _fast() -> Decoder | None:
    """The decoder of torchcodec; None if it is not installed, or does not fit this torch."""
    try:
        found: Decoder = import_module("torchcodec.decoders").decode_jpeg
    # A library of another version of torch cannot be loaded, with errors of several types.
    except (ImportError, OSError, RuntimeError, AttributeError):
        return None
    return found
