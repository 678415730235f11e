"""The files and folders that a user names for results: checked before anything is read."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import OrchestratorError

_REASONS = {
    errno.EROFS: "is read-only",
    errno.EACCES: "may not be written to",
    errno.EPERM: "may not be written to",
    errno.ENOSPC: "has no room left",
    errno.EDQUOT: "has no room left for you",
}


class OutputError(OrchestratorError):
    """A file or folder that the user named cannot be written."""


def require_writable_file(path: Path | None) -> None:
    """Checks that a file can be written; nothing is changed.

    Args:
        path: The file; None: none was named.

    Raises:
        OutputError: Saying why not, and what to do.
    """
    if path is None:
        return
    with explained(path):
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file")
        if path.exists():
            _require(path, "file")
        else:
            _require_parent(path.parent, "file")


def require_writable_folder(path: Path) -> None:
    """Checks that files can be written into a folder, which need not exist; makes nothing.

    Raises:
        OutputError: Saying why not, and what to do.
    """
    with explained(path, "folder"):
        _require_parent(path, "folder")


@contextmanager
def explained(path: Path, kind: str = "file") -> Iterator[None]:
    """Says of an error in writing what is wrong, and what to do.

    Args:
        path: The file or folder that the user named.
        kind: Which of the two it is.

    Raises:
        OutputError: In place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        why = _REASONS.get(error.errno or 0, f"cannot be written: {error.strerror}")
        raise OutputError(f"{path} {why}; name another {kind}") from error


def _require_parent(folder: Path, kind: str) -> None:
    """Checks the folder, or where it would be made."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        raise OutputError(f"{there} is a file; name another {kind}")
    _require(there, kind)


def _require(path: Path, kind: str) -> None:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise OutputError(f"{path} is read-only; name another {kind}")
    if not os.access(path, os.W_OK):
        raise OutputError(f"{path} may not be written to; name another {kind}")


def write_text(path: Path, text: str) -> None:
    """Writes a file that the user named, and makes its folder.

    Raises:
        OutputError: If it cannot be written.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
