"""How much room a disk has, and how the lack of it is told."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import OrchestratorError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_SQLITE_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})


class DiskFullError(OrchestratorError):
    """What must be kept cannot be; nothing that was kept before is lost."""

    launched = True

    @classmethod
    def at(cls, path: Path, error: Exception) -> "DiskFullError":
        """What could not be written, how much room there is, and what to do."""
        return cls(
            f"{path} cannot be written ({error}); {size_text(free_bytes(path))} free there; "
            "make room and give the same command again: it goes on"
        )


def is_full(error: BaseException) -> bool:
    """Whether the error says that a disk takes nothing more: full, over its quota, read-only."""
    if isinstance(error, sqlite3.OperationalError):
        # The lowest byte is the kind; the rest says where in SQLite.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def told_if_full(path: Path) -> Iterator[None]:
    """Says what to do where the disk of a file or folder takes nothing more.

    Raises:
        DiskFullError: In place of the error that said so.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFullError.at(path, error) from error


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def free_bytes(path: Path) -> int:
    """Bytes that can still be written where a file or folder lies, or is to lie."""
    return shutil.disk_usage(existing(path)).free


def size_text(size: float) -> str:
    """Bytes as people say them: 700 kB, 120 MB, 1.5 GB."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.{0 if size >= 10 * factor else 1}f} {unit}"
    return f"{size:.0f} bytes"
