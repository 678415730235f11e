"""Creates the SQLite file of an embedded MLflow store atomically."""

import atexit
import glob
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from orchestrator.process.waiting import waiting_for
from trainers.locks import lock

log = logging.getLogger(__name__)
_gathered: set[Path] = set()

SAMPLE = 1000
"""Rows of an index that `analyse` looks at."""


def make_once(
    database: Path, make: Callable[[Path], None], *, template: Path | None = None
) -> None:
    """Creates the file if it does not exist; of several processes one does, the others wait.

    MLflow creates its tables one by one, so a second process, or any process after a kill, could
    find half of them. So they are created in a temporary file that is renamed once complete.

    Args:
        database: The file.
        make: Creates the tables in a file with another name.
        template: A file with the tables alone, to copy instead; made if it does not exist. None:
            always create the tables.

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
        if template is None or not _copied(template, whole):
            make(begun)
            # MLflow may keep the file with the tables open, by its name, so copy it.
            _copy(begun, whole)
            if template is not None:
                _keep(whole, template)
        # SQLite would read what is left of a database that somebody deleted into this one.
        for end in ("-wal", "-shm", "-journal"):
            database.with_name(f"{database.name}{end}").unlink(missing_ok=True)
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


def analyse(database: Path) -> None:
    """Counts what the tables hold, so that SQLite finds a curve by its run.

    Without the counts it takes an index that starts with the metric's name, and reads that metric
    of all runs for each curve.

    A database that is busy or gone is left as it is.
    """
    # A database that was moved meanwhile is not made anew.
    address = f"{database.absolute().as_uri()}?mode=rw"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, timeout=1, uri=True)) as opened:
        # Else it reads whole tables; a sample of an index tells enough.
        opened.execute(f"PRAGMA analysis_limit={SAMPLE}")
        opened.execute("ANALYZE")


def gather_at_exit(database: Path) -> None:
    """Has this process move all of a database into its one file when it ends, and count it.

    MLflow leaves its connections open, and so leaves the newest rows in a file beside it. Whoever
    copies the database, or puts an older one in its place, does not think of that one.
    """
    if database not in _gathered:
        _gathered.add(database)
        atexit.register(_gather, database)


def _gather(database: Path) -> None:
    # A database that was moved meanwhile is not made anew; others that use it may keep it busy.
    analyse(database)
    with suppress(sqlite3.Error):
        address = f"{database.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=1, uri=True)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def _copied(template: Path, target: Path) -> bool:
    """Copies the template, unless there is none or it is damaged; returns whether it did."""
    if not template.exists():
        return False
    try:
        with closing(sqlite3.connect(template)) as read:
            [checked] = read.execute("PRAGMA quick_check(1)").fetchone()
            # An empty file passes that check.
            read.execute("SELECT COUNT(*) FROM experiments")
        if checked == "ok":
            _copy(template, target)
            return True
    except sqlite3.Error as error:
        log.info("%s is of no use: %s", template, error)
    _remove(target)
    return False


def _keep(database: Path, template: Path) -> None:
    """Makes the template from a new database, if its folder can be written."""
    begun = template.with_name(f"{template.name}.{os.getpid()}")
    try:
        template.parent.mkdir(parents=True, exist_ok=True)
        _copy(database, begun)
        with closing(sqlite3.connect(begun)) as connection, connection:
            # MLflow makes its first experiment anew: its address depends on the current folder.
            connection.execute("DELETE FROM experiments")
        begun.rename(template)
    except (OSError, sqlite3.Error) as error:
        log.info("%s cannot be kept: %s", template, error)
        with suppress(OSError):
            begun.unlink(missing_ok=True)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Lets one process in at a time; on file systems without locks it does not wait."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with waiting_for(f"another process that makes a database, with {file}"):
            lock(descriptor, wait=True)
        yield
        # A process that still waits for the lock finds the work done.
        file.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _remove(*files: Path) -> None:
    for file in files:
        for path in file.parent.glob(f"{glob.escape(file.name)}*"):
            path.unlink(missing_ok=True)
