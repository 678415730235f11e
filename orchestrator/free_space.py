"""The free space of a disk, and the error if a disk is full."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import OrchestratorError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_SQLITE_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})


class DiskFullError(OrchestratorError):
    """The disk is full, so a result cannot be stored; results stored before are safe."""

    launched = True

    @classmethod
    def at(cls, path: Path, error: Exception) -> "DiskFullError":
        """Makes the error: which path cannot be written, the free space, and what to do."""
        return cls(
            f"{path} cannot be written ({error}); {_room(path)}; "
            "make room and repeat the command: it resumes"
        )


def is_full(error: BaseException) -> bool:
    """Whether the error means that the disk is full, over its quota or read-only."""
    if isinstance(error, sqlite3.OperationalError):
        # The lowest byte is the kind of error; the other bytes say where in SQLite.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def told_if_full(path: Path) -> Iterator[None]:
    """Turns an OSError of a full disk into a DiskFullError for this path.

    Raises:
        DiskFullError: Replaces the OSError.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFullError.at(path, error) from error


def existing(path: Path) -> Path:
    """The path, or its nearest parent folder that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def free_bytes(path: Path) -> int:
    """Free bytes on the disk of a path, which need not exist yet."""
    return shutil.disk_usage(existing(path)).free


def size_text(size: float) -> str:
    """A size in bytes as readable text: 700 kB, 120 MB, 1.5 GB."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.{0 if size >= 10 * factor else 1}f} {unit}"
    return f"{size:.0f} bytes"


def _room(path: Path) -> str:
    """What room a disk has, for bytes or for files, whichever there is less of."""
    status = os.statvfs(existing(path))
    if status.f_files and not status.f_favail:
        return "the disk takes no further file, whatever its size (it has no free inodes)"
    return f"{size_text(free_bytes(path))} free there"
