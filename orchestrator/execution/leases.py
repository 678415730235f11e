"""Which process trains what: one at a time, and what a dead one held is free again.

A lease is a row in the journal, so that sweeps that use one home see each other's. It ends when
its holder says so, when the holder is gone (a file that the holder locks is not locked any more),
or when it was not renewed for a while, as on a machine that hangs.
"""

import fcntl
import logging
import os
import platform
import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.free_space import DiskFullError, is_full

log = logging.getLogger(__name__)

LEASE_S = 120.0
"""Seconds after which a lease that was not renewed is free."""
RENEW_S = 20.0
_TABLE = """
CREATE TABLE IF NOT EXISTS leases (
    what TEXT PRIMARY KEY,   -- id of a trial, or whatever only one may do
    holder TEXT NOT NULL,
    name TEXT NOT NULL,      -- the holder's, for people
    until REAL NOT NULL      -- seconds since the epoch
)
"""


class Leases:
    """The leases of one process.

    Args:
        journal: The journal's file; lock files lie in a folder beside it.
        clock: Seconds since the epoch.
    """

    def __init__(self, journal: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.journal, self.clock = journal, clock
        self.name = f"process {os.getpid()} on {platform.node() or 'this machine'}"
        self.holder = secrets.token_hex(8)
        self._folder = journal.with_name(f"{journal.name}.holders")
        self._renewed_at = clock()
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not inherited by the processes that this one starts, so that it is free when we are gone.
        hidden = self._folder / f".{self.holder}"
        self._lock = os.open(hidden, os.O_RDWR | os.O_CREAT, 0o644)
        _try_lock(self._lock)
        # Nobody may meet it unlocked, and take it for a dead one's.
        hidden.rename(self._folder / self.holder)
        self._db = sqlite3.connect(
            journal, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._db.execute(_TABLE)
        self._tidy()

    def claim(self, what: str) -> bool:
        """Takes a lease; False if another process has it.

        Raises:
            DiskFullError: If it cannot be written down that we have it.
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
            # A full disk has ended the transaction already.
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def is_ours(self, what: str) -> bool:
        """Whether this process has a lease."""
        row = self._db.execute("SELECT holder FROM leases WHERE what = ?", (what,)).fetchone()
        return row is not None and row[0] == self.holder

    def holder_of(self, what: str) -> str | None:
        """Who has a lease, for people; None if nobody has."""
        query = "SELECT holder, until, name FROM leases WHERE what = ?"
        row = self._db.execute(query, (what,)).fetchone()
        if row is None or not self._is_held(row[0], row[1], now=self.clock()):
            return None
        return str(row[2])

    def lives(self, holder: str) -> bool:
        """Whether a holder still has its lock file locked."""
        try:
            descriptor = os.open(self._folder / holder, os.O_RDWR)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def renew(self) -> None:
        """Renews all leases of this process, if it is time; call it every few seconds."""
        now = self.clock()
        if now - self._renewed_at < RENEW_S:
            return
        self._renewed_at = now
        query = "UPDATE leases SET until = ? WHERE holder = ?"
        self._try(query, now + LEASE_S, self.holder)

    def release(self, what: str) -> None:
        """Gives a lease back."""
        self._try("DELETE FROM leases WHERE what = ? AND holder = ?", what, self.holder)

    def close(self) -> None:
        """Gives all leases back."""
        self._try("DELETE FROM leases WHERE holder = ?", self.holder)
        self._db.close()
        (self._folder / self.holder).unlink(missing_ok=True)
        os.close(self._lock)

    def _try(self, query: str, *arguments: object) -> None:
        """Writes what can be done without: a lease ends on its own, and with its holder."""
        try:
            self._db.execute(query, arguments)
        except sqlite3.OperationalError as error:
            log.warning("the leases in %s cannot be written: %s", self.journal, error)

    def _is_held(self, holder: str, until: float, *, now: float) -> bool:
        return until > now and (holder == self.holder or self.lives(holder))

    def _tidy(self) -> None:
        """Removes what dead processes left."""
        for path in self._folder.glob("[!.]*"):
            if not self.lives(path.name):
                path.unlink(missing_ok=True)
                self._db.execute("DELETE FROM leases WHERE holder = ?", (path.name,))


def _try_lock(descriptor: int) -> bool:
    """Whether the file is locked by us now; on file systems without locks it never is."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
