"""Leases: only one process trains a trial at a time, and a dead process loses its leases.

A lease is a row in the journal, so that all sweeps of one home see it. It ends when its holder
releases it, when the holder is dead (its lock file is no longer locked), or when the holder has
not renewed it for a while, for example because its machine hangs.
"""

import logging
import os
import platform
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from orchestrator.free_space import DiskFullError, is_full
from orchestrator.record.heartbeat import beating
from orchestrator.record.holders import folder_of, lives
from trainers.locks import lock

log = logging.getLogger(__name__)

LEASE_S = 120.0
"""Seconds after which a lease expires unless it is renewed."""
RENEW_S = 20.0
_TABLE = """
CREATE TABLE IF NOT EXISTS leases (
    what TEXT PRIMARY KEY,   -- id of a trial, or name of another job for one process
    holder TEXT NOT NULL,
    name TEXT NOT NULL,      -- the holder as text for the user
    until REAL NOT NULL      -- seconds since the epoch
)
"""


class Leases:
    """The leases of one process.

    Args:
        journal: The journal's file; lock files are in a folder next to it.
        clock: Seconds since the epoch.
    """

    def __init__(self, journal: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.journal, self.clock = journal, clock
        self.name = f"process {os.getpid()} on {platform.node() or 'this machine'}"
        self.holder = secrets.token_hex(8)
        self._folder = folder_of(journal)
        self._folder.mkdir(parents=True, exist_ok=True)
        # Child processes do not inherit the descriptor, so the lock ends with this process.
        hidden = self._folder / f".{self.holder}"
        self._lock = os.open(hidden, os.O_RDWR | os.O_CREAT, 0o644)
        lock(self._lock)
        # Renamed once locked, so that no one sees it unlocked and takes this process for dead.
        hidden.rename(self._folder / self.holder)
        self._db = sqlite3.connect(
            journal, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._db.execute(_TABLE)
        self._tidy()

    def claim(self, what: str) -> bool:
        """Takes a lease; False if another process has it.

        Raises:
            DiskFullError: If the disk is too full to record the lease.
        """
        try:
            return self._claim(what)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            raise DiskFullError.at(self.journal, error) from error

    def _claim(self, what: str) -> bool:
        now = self.clock()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            row = self._db.execute(
                "SELECT holder, until FROM leases WHERE what = ?", (what,)
            ).fetchone()
            if row is not None and row[0] != self.holder and self._is_held(*row, now=now):
                return False
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)",
                (what, self.holder, self.name, now + LEASE_S),
            )
            return True
        finally:
            # A full disk has already ended the transaction.
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def is_ours(self, what: str) -> bool:
        """Whether this process has a lease."""
        row = self._db.execute("SELECT holder FROM leases WHERE what = ?", (what,)).fetchone()
        return row is not None and row[0] == self.holder

    def holder_of(self, what: str) -> str | None:
        """The holder of a lease as text for the user; None if no one holds it."""
        query = "SELECT holder, until, name FROM leases WHERE what = ?"
        row = self._db.execute(query, (what,)).fetchone()
        if row is None or not self._is_held(row[0], row[1], now=self.clock()):
            return None
        return str(row[2])

    def lives(self, holder: str) -> bool:
        """Whether a holder is alive, that is, still locks its lock file."""
        return lives(self.journal, holder)

    def renew(self) -> None:
        """Renews all leases of this process; by a connection of its own, so in any thread.

        Raises:
            sqlite3.Error: If that cannot be written, or the journal is gone.
        """
        # Of a journal that was deleted no empty one may be left.
        address = f"{self.journal.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=30, uri=True)) as db, db:
            query = "UPDATE leases SET until = ? WHERE holder = ?"
            db.execute(query, (self.clock() + LEASE_S, self.holder))

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renews the leases for the duration of a block, whatever the process is busy with."""
        with beating("leases", self.renew, every_s=RENEW_S):
            yield

    def release(self, what: str) -> None:
        """Releases a lease."""
        self._try("DELETE FROM leases WHERE what = ? AND holder = ?", what, self.holder)

    def close(self) -> None:
        """Releases all leases."""
        self._try("DELETE FROM leases WHERE holder = ?", self.holder)
        self._db.close()
        (self._folder / self.holder).unlink(missing_ok=True)
        os.close(self._lock)

    def _try(self, query: str, *arguments: object) -> None:
        """Writes but ignores failures, because a lease also expires, and ends with its holder."""
        try:
            self._db.execute(query, arguments)
        except sqlite3.OperationalError as error:
            log.warning("the leases in %s cannot be written: %s", self.journal, error)

    def _is_held(self, holder: str, until: float, *, now: float) -> bool:
        return until > now and (holder == self.holder or self.lives(holder))

    def _tidy(self) -> None:
        """Removes lock files and leases of dead processes."""
        for path in self._folder.glob("[!.]*"):
            if not self.lives(path.name):
                path.unlink(missing_ok=True)
                self._db.execute("DELETE FROM leases WHERE holder = ?", (path.name,))
