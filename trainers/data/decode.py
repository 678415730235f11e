"""Decodes the pictures of a folder to bytes."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, NamedTuple

from trainers.data.ahead import ahead
from trainers.data.listing import ImageFile, Listing
from trainers.data.news import shown
from trainers.data.pictures import READING, Form, Picture, picture
from trainers.data.refused import Kind, Refused, UnusableError
from trainers.errors import MissingDataError


class Decoded(NamedTuple):
    """What was decoded.

    Args:
        checksum: SHA-256 of the files, their names, and how they were read.
        notes: Lines for the user, one for each decision about odd pictures.
        sizes: Height and width of each image that is kept uncut.
    """

    checksum: str
    notes: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...] = ()


def decode(listing: Listing, form: Form, target: BinaryIO) -> Decoded:
    """Decodes all images to `target`.

    All files are read before an error is raised, so that it can name all that cannot be used.

    Args:
        listing: The files.
        form: The required form of the images.
        target: Receives the bytes of all images, each (channels, height, width); of uncut ones
            (height, width, channels).

    Raises:
        MissingDataError: If Pillow is not installed.
        PicturesError: If files cannot be read or decoded, or an image has another size.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        what = "image folders are decoded by Pillow, which is not installed"
        raise MissingDataError(f"{what}; pip install pillow") from error
    digest = hashlib.sha256(repr((READING, sorted(asdict(form).items()))).encode())
    refused = Refused()
    # For each decision: how many pictures, and the first of them.
    noted: dict[str, tuple[int, str]] = {}
    sizes: list[tuple[int, int]] = []
    for file, content, decoded in _pictures(listing, form, refused):
        for note in decoded.notes:
            num, first = noted.get(note, (0, file.name))
            noted[note] = (num + 1, first)
        if refused:
            continue
        digest.update(b"%s\0%d\0" % (os.fsencode(file.name), len(content)))
        digest.update(content)
        if form.resize == "uncut":
            sizes.append((decoded.image.height, decoded.image.width))
            target.write(decoded.image.tobytes())
        else:
            target.write(b"".join(band.tobytes() for band in decoded.image.split()))
    refused.check()
    folder, total = shown(listing.folder), len(listing.files)
    notes = (
        f"{folder}: {num:,} of {total:,} pictures {note}, such as {shown(first)}"
        for note, (num, first) in noted.items()
    )
    return Decoded(digest.hexdigest(), tuple(notes), tuple(sizes))


def check(listing: Listing, form: Form, refused: Refused) -> None:
    """Decodes all images and keeps none; adds to `refused` what cannot be used."""
    for _ in _pictures(listing, form, refused):
        pass


def _pictures(
    listing: Listing, form: Form, refused: Refused
) -> Iterator[tuple[ImageFile, bytes, Picture]]:
    """The pictures that can be used, each with its file and the file's content."""
    with warnings.catch_warnings():
        # Pillow warns about odd metadata; what concerns the pixels, it raises.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)

        def made(file: ImageFile) -> tuple[bytes, Picture] | UnusableError:
            try:
                content = _content(listing.folder / file.name)
                return content, picture(content, form)
            except UnusableError as error:
                return error

        for file, found in zip(listing.files, ahead(made, listing.files), strict=True):
            if isinstance(found, UnusableError):
                refused.add(listing.folder / file.name, found)
            else:
                yield file, *found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(Kind.FILE, f"cannot be read ({error.strerror or error})") from error
