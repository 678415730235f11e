"""Lists folders of image files and decodes the images to bytes."""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from trainers.errors import Fault, MissingDataError, SpecError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MODES = {1: "L", 3: "RGB"}
"""Pillow's image mode, by number of channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The required form of the images.

    Args:
        size: Height and width.
        channels: 1: grey; 3: colour.
        resize: Resize images of other sizes instead of raising an error.
    """

    size: int
    channels: int
    resize: bool

    @property
    def num_bytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.size * self.size


class ImageFile(NamedTuple):
    """An image file, with the facts that show a change without reading it."""

    name: str
    label: int
    num_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The image files of a folder that has one subfolder per class.

    Args:
        folder: The folder.
        classes: Names of its subfolders, sorted; the class number is the index.
        files: Image files, sorted by class, then by name.
    """

    folder: Path
    classes: tuple[str, ...]
    files: tuple[ImageFile, ...]

    def fingerprint(self, form: Form) -> str:
        """Returns a digest that changes when a file or the form changes; reads no file."""
        seen = (str(self.folder.resolve()), self.classes, self.files, form)
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]


def list_images(folder: Path) -> Listing:
    """Lists the images of a folder; ignores files without an image suffix.

    Raises:
        MissingDataError: If the folder does not exist or cannot be read.
        SpecError: If it has no subfolders, or one of them has no images.
    """
    try:
        with os.scandir(folder) as entries:
            classes = sorted(
                entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."
            )
        if not classes:
            raise SpecError(Fault("folder", f"{folder} has no subfolders, one for each class"))
        files: list[ImageFile] = []
        for label, name in enumerate(classes):
            of_class = sorted(_image_files(folder, name, label), key=lambda file: file.name)
            if not of_class:
                known = ", ".join(SUFFIXES)
                raise SpecError(Fault("folder", f"{folder / name} has no images", f"({known})"))
            files += of_class
    except OSError as error:
        what = f"{folder.absolute()} is missing or cannot be read ({error.strerror})"
        hint = "`folder` is below the data folder, which --data-dir or BNN_DATA_DIR sets"
        raise MissingDataError(Fault("folder", what, hint)) from error
    return Listing(folder=folder, classes=tuple(classes), files=tuple(files))


def _image_files(folder: Path, name: str, label: int) -> Iterator[ImageFile]:
    with os.scandir(folder / name) as entries:
        for entry in entries:
            if entry.name.lower().endswith(SUFFIXES) and entry.name[0] != ".":
                status = entry.stat()
                times = (status.st_mtime_ns, status.st_ctime_ns)
                yield ImageFile(f"{name}/{entry.name}", label, status.st_size, *times)


def decode(listing: Listing, form: Form, target: BinaryIO) -> str:
    """Decodes all images to `target` and returns the checksum of the files.

    Args:
        listing: The files.
        form: The required form of the images.
        target: Receives (n, channels, size, size) bytes.

    Raises:
        MissingDataError: If a file cannot be read or decoded, or Pillow is not installed.
        SpecError: If an image has another size.
    """
    try:
        from PIL import Image
    except ImportError as error:
        what = "image folders are decoded by Pillow, which is not installed"
        raise MissingDataError(f"{what}; pip install pillow") from error
    digest = hashlib.sha256(repr(sorted(asdict(form).items())).encode())
    for file in listing.files:
        path = listing.folder / file.name
        try:
            content = path.read_bytes()
            with Image.open(io.BytesIO(content)) as opened:
                image = opened.convert(MODES[form.channels])
        # Pillow raises these errors for damaged files.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            what = f"{path} cannot be decoded ({error})"
            raise MissingDataError(Fault("folder", what)) from error
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
        if image.size != (form.size, form.size):
            image = _resized(image, form, path)
        target.write(b"".join(band.tobytes() for band in image.split()))
    return digest.hexdigest()


def _resized(image: "Image", form: Form, path: Path) -> "Image":
    """Does what torchvision's Resize(size) and CenterCrop(size) do on a Pillow image."""
    from PIL.Image import Resampling

    width, height = image.size
    if not form.resize:
        what = f"{path} has {width}x{height} pixels, not {form.size}x{form.size}"
        hint = "write `size`, or `resize: true` to scale the shorter side and cut out the centre"
        raise SpecError(Fault("size", what, hint))
    shorter = min(width, height)
    scaled = (int(form.size * width / shorter), int(form.size * height / shorter))
    image = image.resize(scaled, Resampling.BILINEAR)
    left, top = (round((side - form.size) / 2) for side in scaled)
    return image.crop((left, top, left + form.size, top + form.size))
