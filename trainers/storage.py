"""Storage of checkpoints: a local folder, or a remote one such as `s3://bucket/mine`.

Both give one guarantee: a file exists completely or not at all.
"""

import os
import re
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec

from trainers.errors import Fault, SpecError, did_you_mean
from trainers.paths import expanded

OBJECT_STORES = frozenset({"abfs", "abfss", "az", "gcs", "gs", "memory", "oci", "oss", "r2", "s3"})
"""Schemes where an object appears only when its upload is complete."""
SECRET_WORDS = ("credential", "key", "passw", "secret", "sig", "token")


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote folder with a URL that fsspec knows; other processes receive it as this text.

    Args:
        url: Such as `s3://bucket/mine`; the part after `?` configures the client.
    """

    url: str

    def __truediv__(self, name: str) -> "Remote":
        """Returns a folder or file below it."""
        base, mark, query = self.url.partition("?")
        return Remote(f"{base.rstrip('/')}/{name}{mark}{query}")

    def __str__(self) -> str:
        """The URL."""
        return self.url

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.url.partition("?")[0].rstrip("/").rpartition("/")[2]


Place = Path | Remote


def place_at(text: str) -> Place:
    """Returns the folder at a path or URL; reads and creates nothing.

    Raises:
        SpecError: If no installed client knows such URLs, or the URL contains a secret.
    """
    _refuse_secrets(text)
    scheme, mark, rest = text.partition("://")
    if not mark:
        return expanded(text).absolute()
    if scheme == "file":
        if not rest.startswith("/"):
            raise SpecError(Fault("", f"'{text}' has no absolute path", "write file:///folder"))
        return Path(urllib.parse.unquote(rest))
    try:
        # fsspec's own S3 client needs extra packages; pyarrow comes with Ray Tune and needs none.
        import_module("pyarrow.fs") if scheme == "s3" else fsspec.get_filesystem_class(scheme)
    except ValueError as error:
        near = did_you_mean(scheme, fsspec.available_protocols())
        hint = "such as s3://bucket/mine, or the path of a folder"
        raise SpecError(Fault("", f"nothing here knows '{scheme}://'{near}", hint)) from error
    except ImportError as error:
        raise SpecError(f"'{scheme}://' needs a package that is missing ({error})") from error
    return Remote(text)


def names(place: Place) -> list[str]:
    """Returns the sorted names in a folder; empty if the folder does not exist.

    Raises:
        OSError: If the folder cannot be read.
    """
    if isinstance(place, Path):
        return sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    with _errors_of(place):
        files, folder = _opened(place)
        with suppress(FileNotFoundError):
            return sorted(_last(path) for path in files.ls(folder, detail=False))
        return []


def names_below(place: Place) -> Mapping[str, list[str]]:
    """Returns the file names in each subfolder; subfolders without files may be missing.

    Raises:
        OSError: If the folder cannot be read.
    """
    if isinstance(place, Path):
        folders = [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
        return {folder.name: names(folder) for folder in folders}
    found: dict[str, list[str]] = {}
    with _errors_of(place):
        files, folder = _opened(place)
        with suppress(FileNotFoundError):
            # One request for all subfolders: each request takes as long as a small upload.
            for path in files.find(folder, maxdepth=2):
                parent, _, name = path.rpartition("/")
                found.setdefault(_last(parent), []).append(name)
    return found


def read(file: Place) -> bytes:
    """Returns the content of a file.

    Raises:
        OSError: If the file does not exist or cannot be read.
    """
    if isinstance(file, Path):
        return file.read_bytes()
    with _errors_of(file):
        files, path = _opened(file)
        content: bytes = files.cat_file(path)
        return content


def write(file: Place, content: bytes) -> None:
    """Writes a file atomically: at any moment it is complete or does not exist.

    Raises:
        OSError: If the file cannot be written; then no partial file remains.
    """
    if isinstance(file, Path):
        write_atomically(file, content)
        return
    with _errors_of(file):
        files, path = _opened(file)
        if file.url.partition("://")[0] in OBJECT_STORES:
            files.pipe_file(path, content)
            return
        folder, _, name = path.rpartition("/")
        partial = f"{folder}/.{name}.{os.getpid()}"
        files.makedirs(folder, exist_ok=True)
        try:
            files.pipe_file(partial, content)
            files.mv(partial, path)
        finally:
            with suppress(FileNotFoundError):
                files.rm_file(partial)


def remove(file: Place) -> None:
    """Deletes a file, if it exists.

    Raises:
        OSError: If the file cannot be deleted.
    """
    if isinstance(file, Path):
        file.unlink(missing_ok=True)
        return
    with _errors_of(file), suppress(FileNotFoundError):
        files, path = _opened(file)
        files.rm_file(path)


def remove_folder(place: Place) -> None:
    """Deletes a folder with its content, as far as possible; ignores errors."""
    if isinstance(place, Path):
        shutil.rmtree(place, ignore_errors=True)
        return
    with suppress(OSError), _errors_of(place):
        files, folder = _opened(place)
        files.rm(folder, recursive=True)


def require_writable(place: Place) -> None:
    """Checks that a folder is writable: writes a small file and deletes it.

    Raises:
        OSError: If either fails.
    """
    probe = place / f".probe-{os.getpid()}"
    write(probe, b"")
    remove(probe)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a local file atomically: at any moment it is complete or does not exist.

    Raises:
        OSError: If the file cannot be written; then no partial file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _opened(place: Remote) -> tuple[Any, str]:
    """Returns the file system in fsspec's form, and the path in it."""
    base, _, query = place.url.partition("?")
    scheme, _, path = base.partition("://")
    if scheme == "s3":
        bucket = path.partition("/")[0]
        return _s3(f"s3://{bucket}?{query}" if query else f"s3://{bucket}"), path
    files, path = fsspec.core.url_to_fs(place.url)
    # Other processes write there too, so a cached listing may be old.
    files.invalidate_cache()
    return files, path.rstrip("/")


@lru_cache(maxsize=8)
def _s3(url: str) -> Any:
    """Returns pyarrow's S3 client in fsspec's form; keys and address come from the environment."""
    import pyarrow.fs
    from fsspec.implementations.arrow import ArrowFSWrapper

    client, _ = pyarrow.fs.FileSystem.from_uri(url)
    return ArrowFSWrapper(client)


@contextmanager
def _errors_of(place: Remote) -> Iterator[None]:
    """Turns every error of a client into an OSError, because each client has its own errors."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{place}: {type(error).__name__}: {error}") from error


def _refuse_secrets(text: str) -> None:
    """Raises SpecError for a URL with a secret: URLs appear in study files, tags and logs."""
    if "://" not in text:
        return
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError as error:
        raise SpecError(f"this is not a valid URL ({error})") from error
    # A slash in a secret ends the part of an address that is for users.
    is_cut = "@" in parts.path and re.search(r":(?!\d*$)", parts.netloc)
    userinfo, at, _ = (parts.netloc + parts.path * bool(is_cut)).rpartition("@")
    keys = [key for key, _ in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)]
    secret = [key for key in keys if any(word in key.lower() for word in SECRET_WORDS)]
    if (at and ":" in userinfo) or secret:
        where = "before its @" if at and ":" in userinfo else f"in '{secret[0]}'"
        hint = "leave it out; keys are taken from the environment, such as AWS_SECRET_ACCESS_KEY"
        what = f"the {parts.scheme}:// address has a secret {where}, and would be recorded"
        raise SpecError(Fault("", what, hint))


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
