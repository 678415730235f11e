"""Disk cache of decoded image folders: written once, memory-mapped by every process.

For each part of a data set, a cache folder holds

    <checksum>/images.bin   the bytes of all images, each (channels, height, width); of uncut ones
                            (height, width, channels)
    <checksum>/header.json  their shape, their sizes if these differ, and a digest of the header
                            itself
    <fingerprint>.json      maps the names, sizes and times of the files to a checksum, and keeps
                            what the user has to know about odd pictures

The checksum covers the content of the image files and the way they are read, so equal images are
stored once, wherever they are. An entry is written under a temporary name and renamed when
complete. You may delete a cache folder at any time.
"""

import hashlib
import json
import logging
import math
import mmap
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.data.decode import decode
from trainers.data.listing import Listing
from trainers.data.news import shown, tell
from trainers.data.pictures import Form
from trainers.errors import Fault, MissingDataError
from trainers.locks import lock
from trainers.storage import write_atomically

log = logging.getLogger(__name__)

FORMAT, UNCUT_FORMAT = 1, 2
"""Version of the cache format; increased when the meaning of a header or of bytes changes."""
FOLDER = ".bnn-cache"
NO_RESERVE = 0x4000 if sys.platform == "linux" else 0
"""Linux's MAP_NORESERVE, which Python names from 3.13 on: else a private mapping is refused that
could not be copied as a whole."""


class Cached(NamedTuple):
    """Decoded images.

    Args:
        pixels: (n, channels, size, size), uint8; or (bytes,) if the images are uncut. They are a
            file that is mapped into memory: what nobody reads takes none, and processes share the
            rest. Read-only.
        sizes: Height and width of each uncut image, (n, 2), int64; else None.
    """

    pixels: Tensor
    sizes: Tensor | None


def cached_images(
    listing: Listing,
    form: Form,
    *,
    data_dir: Path,
    decodes: bool = True,
    into: Path | None = None,
) -> Cached:
    """Returns the decoded images of a folder; the first process decodes them for all.

    Args:
        listing: The files.
        form: The required form of the images.
        data_dir: The cache is its subfolder `.bnn-cache`; if that is not writable, BNN_CACHE_DIR,
            else `~/.cache/bnn-orchestrate`, else a folder of this user in the system's temporary
            folder.
        decodes: Decode what is not there yet.
        into: The only folder into which images are decoded; None: the first that is writable.

    Raises:
        MissingDataError: If no cache folder is writable, or nothing is there and nothing shall be
            decoded.
        PicturesError: If files cannot be read or decoded, or an image has another size.
        OSError: If `into` cannot be written.
    """
    fingerprint = listing.fingerprint(form)
    shape = form.shape(len(listing.files))
    named = os.environ.get("BNN_CACHE_DIR")
    folders = [*chosen_folders(data_dir), *([] if named else _in_home())]
    for folder in folders:
        found = _opened(folder, fingerprint, shape)
        if found is not None:
            return found
    if not decodes:
        what = f"the pictures of {shown(listing.folder)} are not decoded"
        what += ", or have changed since, or were decoded by another version"
        raise MissingDataError(Fault("", what))
    if into is not None:
        return _built(into, fingerprint, shape, listing, form)
    reasons: list[str] = []
    for folder in folders:
        try:
            return _built(folder, fingerprint, shape, listing, form)
        except OSError as error:
            reasons.append(f"{shown(folder.absolute())}: {error.strerror or error}")
            log.warning("decoded images cannot be written to %s (%s)", folder, error)
    if not named:
        try:
            folder = _temporary()
            found = _built(folder, fingerprint, shape, listing, form)
        except OSError as error:
            reasons.append(f"the temporary folder: {error.strerror or error}")
        else:
            why = f"nothing else is writable ({'; '.join(reasons)})"
            tell(
                f"decoded images lie in {shown(folder)}: {why}; BNN_CACHE_DIR names another folder"
            )
            return found
    what = f"no folder for decoded images is writable ({'; '.join(reasons)})"
    raise MissingDataError(Fault("", what, "set BNN_CACHE_DIR to a writable folder"))


def chosen_folders(data_dir: Path) -> list[Path]:
    """The cache folders that a user chose, the first one first: by `data_dir`, BNN_CACHE_DIR."""
    named = os.environ.get("BNN_CACHE_DIR")
    return [data_dir / FOLDER, *([Path(named)] if named else [])]


def _in_home() -> list[Path]:
    """The cache folder in the user's home; empty if no home is known, as in some containers."""
    try:
        home = Path.home()
    # HOME is not set, and the user has a number but no name.
    except RuntimeError:
        return []
    return [home / ".cache" / "bnn-orchestrate"] if home.is_absolute() else []


def _temporary() -> Path:
    """Makes this user's folder in the system's temporary folder.

    Raises:
        OSError: If it cannot be made, or if others may write to it: they could put images there.
    """
    folder = Path(tempfile.gettempdir()) / f"bnn-orchestrate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise OSError(f"others may write to {shown(folder)}")
    return folder


def _opened(folder: Path, fingerprint: str, shape: tuple[int, ...]) -> Cached | None:
    """Maps the images of a complete cache entry; None if there is none."""
    index = folder / f"{fingerprint}.json"
    try:
        content = json.loads(index.read_text())
        entry, notes = folder / content["checksum"], [str(note) for note in content["notes"]]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s cannot be read (%s); its images are decoded again", index, error)
        return None
    header = _whole_header(entry, shape)
    if header is None:
        log.warning("%s is damaged or of another version; its images are decoded again", entry)
        return None
    sizes = header.get("sizes")
    pixels = _mapped(entry / "images.bin", _num_bytes(shape, sizes))
    for note in notes:
        tell(note)
    if sizes is None:
        return Cached(pixels.reshape(shape), None)
    return Cached(pixels, torch.tensor(sizes))


def _mapped(path: Path, num_bytes: int) -> Tensor:
    """Maps a file, whose size may exceed memory and swap; it stays as it is, whoever writes."""
    flags, access = mmap.MAP_PRIVATE | NO_RESERVE, mmap.PROT_READ | mmap.PROT_WRITE
    with path.open("rb") as file:
        view = mmap.mmap(file.fileno(), num_bytes, flags=flags, prot=access)
    return torch.frombuffer(view, dtype=torch.uint8)


def _built(
    folder: Path, fingerprint: str, shape: tuple[int, ...], listing: Listing, form: Form
) -> Cached:
    """Decodes the images into the folder; uses the entry of another process if that is faster.

    Raises:
        OSError: If the folder is not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f"{fingerprint}.lock", listing.folder) as is_locked:
        found = _opened(folder, fingerprint, shape)
        if found is not None:
            return found
        if is_locked:
            # Killed processes left these: every writer holds the lock, and now we hold it.
            for leftover in folder.glob(f".{fingerprint}-*"):
                shutil.rmtree(leftover, ignore_errors=True)
        partial = folder / f".{fingerprint}-{secrets.token_hex(4)}"
        partial.mkdir()
        try:
            log.info("decoding %s images of %s", f"{shape[0]:,}", listing.folder)
            with (partial / "images.bin").open("wb") as target:
                checksum, notes, sizes = decode(listing, form, target)
                target.flush()
                os.fsync(target.fileno())
            header = json.dumps(_header(checksum, shape, sizes)).encode()
            write_atomically(partial / "header.json", header)
            content = {"checksum": checksum, "folder": str(listing.folder), "notes": notes}
            index = json.dumps(content).encode()
            _put_in_place(partial, folder / checksum, shape)
            write_atomically(folder / f"{fingerprint}.json", index)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        images = _opened(folder, fingerprint, shape)
        if images is None:
            raise OSError(f"what was written to {folder} reads back differently")
        return images


def _put_in_place(partial: Path, entry: Path, shape: tuple[int, ...]) -> None:
    """Renames the new entry to its final name; keeps an existing good one, replaces a damaged one.

    Processes that have mapped a damaged entry keep it: its file exists until they end.
    """
    try:
        partial.rename(entry)
    except OSError:
        if _whole_header(entry, shape) is not None:
            return
        aside = partial.with_name(f"{partial.name}-damaged")
        entry.rename(aside)
        partial.rename(entry)
        shutil.rmtree(aside, ignore_errors=True)


def _whole_header(entry: Path, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """The header of an entry; None if one of its files is missing or damaged."""
    try:
        header = json.loads((entry / "header.json").read_text())
        num_bytes = (entry / "images.bin").stat().st_size
        sizes = header.get("sizes")
        is_whole = header == _header(entry.name, shape, sizes)
    # What was not written here may have any form.
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return header if is_whole and num_bytes == _num_bytes(shape, sizes) else None


def _num_bytes(shape: tuple[int, ...], sizes: Sequence[Sequence[int]] | None) -> int:
    if len(shape) == 4 or sizes is None:
        return math.prod(shape)
    return shape[1] * sum(height * width for height, width in sizes)


def _header(
    checksum: str, shape: tuple[int, ...], sizes: Sequence[Sequence[int]] | None
) -> dict[str, object]:
    content: dict[str, object] = {"format": FORMAT, "checksum": checksum, "shape": list(shape)}
    if len(shape) == 2:
        content["format"] = UNCUT_FORMAT
        content["sizes"] = None if sizes is None else [list(size) for size in sizes]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {**content, "sha256": digest}


@contextmanager
def _locked(path: Path, source: Path) -> Iterator[bool]:
    """Holds the lock of one fingerprint; yields False if the file system has no locks."""
    # Opened read-only, because several users may share the folder.
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        yield _lock(descriptor, source)
    finally:
        # Closing the descriptor releases the lock; the system also closes it after a kill.
        os.close(descriptor)


def _lock(descriptor: int, source: Path) -> bool:
    is_locked = lock(descriptor)
    if is_locked is False:
        log.info("waiting for another process to decode the images of %s", source)
        is_locked = lock(descriptor, wait=True)
    return bool(is_locked)
