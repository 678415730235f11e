"""Creates the SQLite file of an embedded MLflow store atomically."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


def make_once(database: Path, make: Callable[[Path], None]) -> None:
    """Creates the file if it does not exist; of several processes one does, the others wait.

    MLflow creates its tables one by one, so a second process, or any process after a kill, could
    find half of them. So they are created in a temporary file that is renamed once complete.

    Args:
        database: The file.
        make: Creates the tables in a file with another name.

    Raises:
        sqlite3.Error: If the file cannot be written.
        OSError: If the file cannot be written.
    """
    if database.exists():
        return
    with _alone(database.with_name(f".{database.name}.lock")):
        if database.exists():
            return
        begun, whole = (database.with_name(f".{database.name}.{end}") for end in ("new", "whole"))
        # Left over from a process that was killed.
        _remove(begun, whole)
        make(begun)
        # MLflow may keep the file with the tables open, by its name, so copy it.
        with closing(sqlite3.connect(begun)) as source, closing(sqlite3.connect(whole)) as target:
            source.backup(target)
        whole.rename(database)
        _remove(begun, whole)


def prepare(database: Path) -> None:
    """Sets WAL mode, in which readers do not wait for the writer, and checks write access.

    Raises:
        sqlite3.Error: If the database cannot be written.
    """
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        try:
            # Finds a read-only file now, not at the first result. In WAL mode BEGIN does not find
            # it, but a write does; the write is rolled back.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA user_version = 1")
            connection.rollback()
        except sqlite3.OperationalError as error:
            raise sqlite3.OperationalError(f"cannot be written ({error})") from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Lets one process in at a time; on file systems without locks it does not wait."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        # A process that still waits for the lock finds the work done.
        lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _remove(*files: Path) -> None:
    for file in files:
        for path in file.parent.glob(f"{file.name}*"):
            path.unlink(missing_ok=True)
