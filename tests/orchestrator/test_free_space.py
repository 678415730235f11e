"""How the lack of room is known and told."""

import errno
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.free_space import (
    DiskFullError,
    existing,
    free_bytes,
    is_full,
    size_text,
    told_if_full,
)


@pytest.mark.parametrize(
    ("code", "full"),
    [
        (errno.ENOSPC, True),
        (errno.EDQUOT, True),
        (errno.EROFS, True),
        (errno.ENOENT, False),
        (errno.EACCES, False),
    ],
)
def test_a_disk_that_takes_nothing_more_is_told_from_other_errors(code: int, full: bool) -> None:
    assert is_full(OSError(code, "what")) is full
    assert not is_full(ValueError(code))


@pytest.mark.parametrize(
    ("code", "full"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_WRITE, True),
        (sqlite3.SQLITE_READONLY_DIRECTORY, True),
        (sqlite3.SQLITE_BUSY, False),
    ],
)
def test_so_is_what_sqlite_says(code: int, full: bool) -> None:
    error = sqlite3.OperationalError("what")
    assert not is_full(error)
    error.sqlite_errorcode = code
    assert is_full(error) is full


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (123_456, "123 kB"),
        (1.24e9, "1.2 GB"),
        (13.4e9, "13 GB"),
        (2.5e15, "2500 TB"),
    ],
)
def test_sizes_are_said_as_people_say_them(size: float, text: str) -> None:
    assert size_text(size) == text


def test_room_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    below = tmp_path / "not" / "there"
    assert existing(below) == tmp_path
    assert free_bytes(below) > 0
    assert not (tmp_path / "not").exists()


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    error = DiskFullError.at(tmp_path / "journal.db", OSError(28, "No space left on device"))
    assert str(tmp_path / "journal.db") in str(error)
    assert "No space left on device" in str(error)
    assert "free there; make room and repeat the command" in str(error)


def test_what_a_full_disk_raises_is_told_and_other_errors_are_let_through(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="make room"), told_if_full(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError, match="denied"), told_if_full(tmp_path):
        raise PermissionError(errno.EACCES, "denied")


def test_a_disk_that_has_bytes_but_no_room_for_a_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert " free there; make room" in str(DiskFullError.at(tmp_path, error))
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_files=9, f_favail=0))
    assert "it has no free inodes" in str(DiskFullError.at(tmp_path, error))
