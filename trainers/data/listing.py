"""Lists the picture files of a folder that has one subfolder for each class."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trainers.data.news import shown
from trainers.data.pictures import READING, Form
from trainers.data.refused import Kind, Refused, UnusableError
from trainers.errors import Fault, MissingDataError, SpecError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Suffixes of pictures, in small or capital letters; those of torchvision's ImageFolder."""
UNREAD_SUFFIXES = (
    *(".apng", ".avif", ".dib", ".exr", ".gif", ".hdr", ".heic", ".heif", ".ico", ".jfif", ".jp2"),
    *(".jpe", ".jxl", ".mpo", ".pbm", ".pfm", ".pnm", ".psd", ".svg", ".tga"),
)
"""Suffixes of pictures that would be missing in silence if they were passed over."""


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
        files: Image files, sorted by class, then by folder and name.
        others: How many files have no suffix of a picture.
    """

    folder: Path
    classes: tuple[str, ...]
    files: tuple[ImageFile, ...]
    others: int = 0

    def fingerprint(self, form: Form) -> str:
        """Returns a digest that changes when a file or the form changes; reads no file."""
        seen = (READING, str(self.folder.resolve()), self.classes, self.files, form)
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]


def list_images(folder: Path, refused: Refused | None = None) -> Listing:
    """Lists the images of a folder; ignores hidden files, and files without an image suffix.

    Args:
        folder: The folder, with one subfolder for each class. The images of a class lie in its
            folder, or all in folders below it. Links are followed.
        refused: Receives what cannot be used; None: that is an error.

    Raises:
        MissingDataError: If the folder does not exist or cannot be read.
        SpecError: If it has no subfolders.
        PicturesError: If something cannot be used and `refused` is None.
    """
    found = Refused() if refused is None else refused
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=_name)
    except OSError as failed:
        what = f"{shown(folder.absolute())} is missing or cannot be read ({failed.strerror})"
        hint = "`folder` is below the data folder, which --data-dir or BNN_DATA_DIR sets"
        raise MissingDataError(Fault("folder", what, hint)) from failed
    classes, stray = _classes(listed)
    if not classes:
        what = f"{shown(folder)} has no subfolders, one for each class"
        first = f", such as {shown(stray[0][0])}" if stray else ""
        hint = f"files that lie in it, in no class: {len(stray):,}{first}" if stray else ""
        raise SpecError(Fault("folder", what, hint))
    for name, error in stray:
        found.add(folder / name, error)
    files: list[ImageFile] = []
    others = 0
    for label, name in enumerate(classes):
        of_class = _Class(folder, name, label, found)
        files += of_class.files
        others += of_class.others
    if refused is None:
        found.check()
    return Listing(folder=folder, classes=classes, files=tuple(files), others=others)


def _classes(
    entries: "list[os.DirEntry[str]]",
) -> tuple[tuple[str, ...], list[tuple[str, UnusableError]]]:
    """The folders among the entries, and what else would be missing in silence."""
    classes: list[str] = []
    stray: list[tuple[str, UnusableError]] = []
    for entry in entries:
        if entry.name[0] == ".":
            continue
        try:
            if stat.S_ISDIR(_status(entry).st_mode):
                classes.append(entry.name)
            elif entry.name.lower().endswith((*SUFFIXES, *UNREAD_SUFFIXES)):
                raise UnusableError(Kind.PLACE, "lies in no class")
        except UnusableError as error:
            stray.append((entry.name, error))
    return tuple(classes), stray


class _Class:
    """The image files of one class, and how many other files are beside them."""

    def __init__(self, folder: Path, name: str, label: int, refused: Refused) -> None:
        self.folder, self.label, self.refused = folder, label, refused
        self.others = 0
        self.has_refused = False
        # No recursion: folders may be nested deeper than Python's calls.
        self.pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [(name, ())]
        found: list[ImageFile] = []
        while self.pending:
            found += self._files_in(*self.pending.pop())
        self.files = sorted(found, key=_place)
        parents = {file.name.rpartition("/")[0] for file in self.files}
        if not self.files and not self.has_refused:
            self._refuse(name, UnusableError(Kind.PLACE, f"has no images ({', '.join(SUFFIXES)})"))
        elif name in parents and len(parents) > 1:
            below = shown(min(parents - {name}))
            what = f"has images, and so has the folder {below} below it; put them in one place"
            self._refuse(name, UnusableError(Kind.PLACE, what))

    def _files_in(self, name: str, above: tuple[tuple[int, int], ...]) -> Iterator[ImageFile]:
        """The files of one folder; the folders in it are put on the list of pending ones."""
        try:
            status = (self.folder / name).stat()
            here = (status.st_dev, status.st_ino)
            with os.scandir(self.folder / name) as scanned:
                entries = sorted(scanned, key=_name)
        except OSError as error:
            what = f"cannot be opened ({error.strerror})"
            self._refuse(name, UnusableError(Kind.FILE, what))
            return
        if here in above:
            self._refuse(name, UnusableError(Kind.FILE, "is a link to a folder above it"))
            return
        for entry in entries:
            if entry.name[0] == ".":
                continue
            path = f"{name}/{entry.name}"
            try:
                status = _status(entry)
                if stat.S_ISDIR(status.st_mode) and not entry.name.lower().endswith(SUFFIXES):
                    self.pending.append((path, (*above, here)))
                elif _is_picture(entry.name, status):
                    times = (status.st_mtime_ns, status.st_ctime_ns)
                    yield ImageFile(path, self.label, status.st_size, *times)
                else:
                    self.others += 1
            except UnusableError as error:
                self._refuse(path, error)

    def _refuse(self, name: str, error: UnusableError) -> None:
        self.has_refused = True
        self.refused.add(self.folder / name, error)


def _name(entry: "os.DirEntry[str]") -> bytes:
    return os.fsencode(entry.name)


def _place(file: ImageFile) -> tuple[bytes, bytes]:
    """Folder and name as bytes, which sort alike in every locale."""
    parent, _, name = file.name.rpartition("/")
    return os.fsencode(parent), os.fsencode(name)


def _status(entry: "os.DirEntry[str]") -> os.stat_result:
    """Returns the facts of a file or folder, behind links.

    Raises:
        UnusableError: If the system gives none.
    """
    try:
        return entry.stat()
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        if error.errno == errno.ELOOP:
            what = "is a link in a circle"
        elif error.errno == errno.ENOENT and entry.is_symlink():
            what = "is a link to nothing"
        raise UnusableError(Kind.FILE, what) from error


def _is_picture(name: str, status: os.stat_result) -> bool:
    """Whether a file is a picture, by its suffix.

    Raises:
        UnusableError: If it is one by its suffix, but no file, empty, or of an unread format.
    """
    lower = name.lower()
    if lower.endswith(UNREAD_SUFFIXES):
        what = f"is a picture of a format that is not read ({', '.join(SUFFIXES)} are)"
        raise UnusableError(Kind.MODE, what)
    if not lower.endswith(SUFFIXES):
        return False
    if stat.S_ISDIR(status.st_mode):
        raise UnusableError(Kind.FILE, "is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError(Kind.FILE, "is no file, but a pipe or a device")
    if status.st_size == 0:
        raise UnusableError(Kind.FILE, "is empty")
    return True
