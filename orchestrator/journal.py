"""Every result as it arrives, on this machine's disk, until MLflow has it.

SQLite in WAL mode. A point is (cell, key, step): the first one written stays, so a trial that
trains an epoch again after a kill changes nothing. A commit is flushed before it returns.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import vocabulary
from orchestrator.free_space import DiskFullError, is_full

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS cells (
    cell TEXT PRIMARY KEY,       -- unique key of a cell
    description TEXT NOT NULL,   -- JSON: what its MLflow run shall say
    state TEXT NOT NULL,
    tags TEXT NOT NULL,          -- JSON: what became known while it ran
    run_id TEXT,                 -- MLflow's run, once there is one
    state_sent TEXT              -- the state MLflow knows
);
CREATE TABLE IF NOT EXISTS points (
    cell TEXT NOT NULL,
    key TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL,                  -- NULL: not a number
    time_ms INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (cell, key, step)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsent ON points (cell) WHERE sent = 0;
"""


class JournalError(RuntimeError):
    """The journal cannot be used as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellDescription:
    """What the MLflow run of a cell says from its start.

    Args:
        cell: Unique key of the cell.
        trial: Content id of its trial.
        name: Name of the run.
        experiment_id: MLflow's experiment.
        parent_run_id: Run of the study.
        params: Flat parameters.
        tags: Tags, those that find the run again among them.
    """

    cell: str
    trial: str
    name: str
    experiment_id: str
    parent_run_id: str
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A cell as the journal holds it."""

    description: CellDescription
    state: str
    tags: Mapping[str, str]
    run_id: str | None
    state_sent: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric; `value` may be NaN."""

    key: str
    step: int
    value: float
    time_ms: int


class Journal:
    """The journal of one store; used by several threads, by one process at a time.

    Once its disk has refused something nothing more is written, or an epoch could be missing
    between two others: whatever writes raises DiskFullError from then on.

    Args:
        path: Its file; made, with its folder, where there is none.

    Raises:
        JournalError: If the file is of another version, or no journal.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._refused: DiskFullError | None = None
        try:
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA):
                what = f"{path} has version {version}, this program knows {SCHEMA}"
                raise JournalError(f"{what}; use the newer program, or another --home")
            self._db.executescript(_TABLES)
            self._db.execute(f"PRAGMA user_version={SCHEMA}")
        except sqlite3.DatabaseError as error:
            if is_full(error):
                raise JournalError(str(DiskFullError.at(path, error))) from error
            raise JournalError(f"{path} cannot be used as a journal: {error}") from error

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        with self._lock:
            self._db.close()

    def begin(self, description: CellDescription) -> None:
        """A cell starts, or starts again."""
        text = json.dumps({name: getattr(description, name) for name in CellDescription.__slots__})
        with self._write() as db:
            db.execute(
                "INSERT INTO cells (cell, description, state, tags) VALUES (?, ?, ?, '{}') "
                "ON CONFLICT (cell) DO UPDATE SET description = excluded.description, "
                "state = excluded.state, tags = excluded.tags",
                (description.cell, text, vocabulary.RUNNING),
            )

    def append(self, cell: str, points: Iterable[Point]) -> None:
        """Keeps points of a cell; of two with one key and step the first stays."""
        rows = [(cell, point.key, point.step, point.value, point.time_ms, 0) for point in points]
        with self._write() as db:
            db.executemany("INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?, ?, ?)", rows)

    def end(self, cell: str, state: str, tags: Mapping[str, str] | None = None) -> None:
        """A cell is finished, has failed, or was interrupted."""
        with self._write() as db:
            db.execute(
                "UPDATE cells SET state = ?, tags = ? WHERE cell = ?",
                (state, json.dumps(dict(tags or {})), cell),
            )

    def undelivered(self) -> list[Entry]:
        """Cells of which MLflow does not know all, oldest first."""
        rows = self._read(
            "SELECT description, state, tags, run_id, state_sent FROM cells "
            "WHERE state_sent IS NOT state "
            "OR cell IN (SELECT DISTINCT cell FROM points WHERE sent = 0) ORDER BY rowid"
        )
        return [_entry(row) for row in rows]

    def entry(self, cell: str) -> Entry | None:
        """One cell; None if it was never begun."""
        query = "SELECT description, state, tags, run_id, state_sent FROM cells WHERE cell = ?"
        rows = self._read(query, cell)
        return _entry(rows[0]) if rows else None

    def unsent(self, cell: str, *, most: int) -> list[Point]:
        """The next points to deliver, in the order of their steps."""
        rows = self._read(
            "SELECT key, step, value, time_ms FROM points WHERE cell = ? AND sent = 0 "
            "ORDER BY step, key LIMIT ?",
            cell,
            most,
        )
        return [_point(row) for row in rows]

    def points(self, cell: str) -> list[Point]:
        """All points of a cell, in the order of their steps."""
        query = "SELECT key, step, value, time_ms FROM points WHERE cell = ? ORDER BY step, key"
        return [_point(row) for row in self._read(query, cell)]

    def mark_sent(self, cell: str, points: Sequence[Point]) -> None:
        """MLflow has confirmed these points."""
        keys = [(cell, point.key, point.step) for point in points]
        query = "UPDATE points SET sent = 1 WHERE cell = ? AND key = ? AND step = ?"
        with self._write() as db:
            db.executemany(query, keys)

    def mark_state_sent(self, cell: str, state: str) -> None:
        """MLflow has confirmed this state."""
        with self._write() as db:
            db.execute("UPDATE cells SET state_sent = ? WHERE cell = ?", (state, cell))

    def set_run(self, cell: str, run_id: str) -> None:
        """The MLflow run in which the cell is recorded."""
        with self._write() as db:
            db.execute("UPDATE cells SET run_id = ? WHERE cell = ?", (run_id, cell))

    def forget_run(self, cell: str) -> None:
        """The run is gone from MLflow: everything the journal has is to be delivered again."""
        with self._write() as db:
            db.execute("UPDATE cells SET run_id = NULL, state_sent = NULL WHERE cell = ?", (cell,))
            db.execute("UPDATE points SET sent = 0 WHERE cell = ?", (cell,))

    def num_unsent(self) -> int:
        """Points that wait for delivery."""
        return int(self._read("SELECT COUNT(*) FROM points WHERE sent = 0")[0][0])

    @contextmanager
    def _write(self) -> Any:
        with self._lock:
            if self._refused is not None:
                raise self._refused
            try:
                with self._db:
                    yield self._db
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
                self._refused = DiskFullError.at(self.path, error)
                raise self._refused from error

    def _read(self, query: str, *arguments: object) -> list[Any]:
        with self._lock:
            return self._db.execute(query, arguments).fetchall()


def _entry(row: tuple[str, str, str, str | None, str | None]) -> Entry:
    description, state, tags, run_id, state_sent = row
    return Entry(
        description=CellDescription(**json.loads(description)),
        state=state,
        tags=json.loads(tags),
        run_id=run_id,
        state_sent=state_sent,
    )


def _point(row: tuple[str, int, float | None, int]) -> Point:
    key, step, value, time_ms = row
    # SQLite has no NaN: it stores NULL.
    return Point(key, step, float("nan") if value is None else value, time_ms)
