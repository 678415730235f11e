"""The SQLite file of an embedded MLflow store: whole from its first moment, whoever makes it."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


def make_once(database: Path, make: Callable[[Path], None]) -> None:
    """Makes the file if there is none; of several processes one does, and the others wait.

    MLflow makes its tables one after the other: a second process would meet half of them, and so
    would everybody after a kill. So they are made beside, and the file comes whole.

    Args:
        database: The file.
        make: Makes the tables in a file of another name.

    Raises:
        sqlite3.Error: If it cannot be written.
        OSError: If it cannot be written.
    """
    if database.exists():
        return
    with _alone(database.with_name(f".{database.name}.lock")):
        if database.exists():
            return
        begun, whole = (database.with_name(f".{database.name}.{end}") for end in ("new", "whole"))
        # Of one who was killed.
        _remove(begun, whole)
        make(begun)
        # Whoever made the tables may still hold their file open, by its name.
        with closing(sqlite3.connect(begun)) as source, closing(sqlite3.connect(whole)) as target:
            source.backup(target)
        whole.rename(database)
        _remove(begun, whole)


def prepare(database: Path) -> None:
    """Sets WAL mode, in which readers do not wait for the writer.

    Raises:
        sqlite3.Error: If the database cannot be written.
    """
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        try:
            # Else it shows with the first result that the file can only be read. To begin does not
            # show it in WAL mode; to write something does, and it is taken back.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA user_version = 1")
            connection.rollback()
        except sqlite3.OperationalError as error:
            raise sqlite3.OperationalError(f"cannot be written ({error})") from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Waits until no other process is in here; on file systems without locks all are."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        # Whoever waits for it finds that the work is done.
        lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _remove(*files: Path) -> None:
    for file in files:
        for path in file.parent.glob(f"{file.name}*"):
            path.unlink(missing_ok=True)
