"""Every result as it arrives, on this machine's disk, until MLflow has it.

SQLite in WAL mode; several sweeps may use one journal. A point is (cell, key, step): the first one
written stays, so a trial that trains an epoch again after a kill changes nothing. A commit is
flushed before it returns.
"""

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.free_space import DiskFullError, is_full
from orchestrator.study.cells import study_key

SCHEMA = 2
_TABLES = """
CREATE TABLE IF NOT EXISTS studies (
    study TEXT PRIMARY KEY,      -- name and variant
    record TEXT NOT NULL,        -- JSON: what its MLflow run shall say
    sent TEXT                    -- the record that MLflow knows
);
CREATE TABLE IF NOT EXISTS home (
    id TEXT PRIMARY KEY          -- of this journal, in one row
);
CREATE TABLE IF NOT EXISTS cells (
    cell TEXT PRIMARY KEY,       -- unique key of a cell
    study TEXT NOT NULL,
    trial TEXT NOT NULL,         -- content id
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
CREATE INDEX IF NOT EXISTS trials ON cells (trial);
"""


_COLUMNS = "description, state, tags, run_id, state_sent"


class JournalError(OrchestratorError):
    """The journal cannot be used as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRecord:
    """What MLflow says of one variant of a study: its experiment, and a run in it.

    Args:
        name: The study's name, and that of the experiment.
        variant: What its cells have in common, hashed.
        title: Name of the run.
        question: What the study is to find out.
        tags: Of the run, beside those that find it.
        texts: Artifacts of the run by file name.
        state: Of the sweep; empty: as it was.
    """

    name: str
    variant: str
    title: str
    question: str
    tags: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    state: str = ""

    @property
    def key(self) -> str:
        """Unique key of the variant."""
        return study_key(self.name, self.variant)


@dataclass(frozen=True, kw_only=True, slots=True)
class CellDescription:
    """What the MLflow run of a cell says from its start.

    Args:
        cell: Unique key of the cell.
        study: Key of the variant it belongs to; its record was journaled before.
        trial: Content id of its trial.
        name: Name of the run.
        params: Flat parameters.
        tags: Tags, those that find the run again among them.
    """

    cell: str
    study: str
    trial: str
    name: str
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
    """The journal of one store; used by several threads, and by several processes.

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
            self._refuse_damaged()
            self._drop_schema_1()
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA):
                other = "newer" if version > SCHEMA else "older"
                what = f"{path} has version {version}, this program knows {SCHEMA}"
                raise JournalError(f"{what}; use the {other} program, or another --home")
            self._db.executescript(_TABLES)
            self._db.execute(f"PRAGMA user_version={SCHEMA}")
        except sqlite3.DatabaseError as error:
            if is_full(error):
                raise JournalError(str(DiskFullError.at(path, error))) from error
            what = f"{path} cannot be used as a journal: {error}"
            way = "move it away to go on: a new one is filled from MLflow and the checkpoints"
            raise JournalError(f"{what}; {way}") from error

    def _refuse_damaged(self) -> None:
        """Damage is said before anything is trained; half a second for 100 MB."""
        [first] = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if first != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({' '.join(first.split())})")

    def _drop_schema_1(self) -> None:
        """Begins anew where the first schema's journal holds nothing that MLflow has not got."""
        if self._db.execute("PRAGMA user_version").fetchone()[0] != 1:
            return
        waits = "SELECT (SELECT COUNT(*) FROM points WHERE sent = 0) + COUNT(*) FROM cells "
        if self._db.execute(f"{waits} WHERE state_sent IS NOT state").fetchone()[0] == 0:
            self._db.executescript("DROP TABLE cells; DROP TABLE points; PRAGMA user_version=0")

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        with self._lock:
            self._db.close()

    @property
    def home(self) -> str:
        """An id of this journal's own, made when it was."""
        with self._write() as db:
            query = "INSERT INTO home SELECT ? WHERE NOT EXISTS (SELECT 1 FROM home)"
            db.execute(query, (secrets.token_hex(6),))
        return str(self._read("SELECT id FROM home")[0][0])

    def begin_study(self, record: StudyRecord) -> None:
        """What MLflow is to say of a study, from now on."""
        with self._write() as db:
            db.execute(
                "INSERT INTO studies (study, record) VALUES (?, ?) "
                "ON CONFLICT (study) DO UPDATE SET record = excluded.record, sent = NULL",
                (record.key, json.dumps(asdict(record))),
            )

    def study(self, key: str) -> StudyRecord | None:
        """What MLflow is to say of a study; None if it was never begun."""
        rows = self._read("SELECT record FROM studies WHERE study = ?", key)
        return StudyRecord(**json.loads(rows[0][0])) if rows else None

    def variants(self, name: str) -> list[StudyRecord]:
        """What was begun of a study, one for each variant, the oldest first."""
        rows = self._read("SELECT record FROM studies ORDER BY rowid")
        records = [StudyRecord(**json.loads(text)) for (text,) in rows]
        return [record for record in records if record.name == name]

    def unsent_studies(self) -> list[StudyRecord]:
        """Studies of which MLflow does not know all, oldest first."""
        rows = self._read("SELECT record FROM studies WHERE sent IS NOT record ORDER BY rowid")
        return [StudyRecord(**json.loads(text)) for (text,) in rows]

    def mark_study_sent(self, record: StudyRecord) -> None:
        """MLflow has confirmed this record."""
        with self._write() as db:
            query = "UPDATE studies SET sent = ? WHERE study = ?"
            db.execute(query, (json.dumps(asdict(record)), record.key))

    def begin(self, description: CellDescription) -> None:
        """A cell starts, or starts again."""
        row = (description.cell, description.study, description.trial)
        with self._write() as db:
            db.execute(
                "INSERT INTO cells (cell, study, trial, description, state, tags) "
                "VALUES (?, ?, ?, ?, ?, '{}') "
                "ON CONFLICT (cell) DO UPDATE SET description = excluded.description, "
                "state = excluded.state, tags = excluded.tags",
                (*row, json.dumps(asdict(description)), vocabulary.RUNNING),
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

    def undelivered(self, *, study: str | None = None) -> list[Entry]:
        """Cells of which MLflow does not know all, oldest first; of one study, or of all."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM cells WHERE (state_sent IS NOT state "
            "OR cell IN (SELECT DISTINCT cell FROM points WHERE sent = 0)) "
            "AND (?1 IS NULL OR study = ?1) ORDER BY rowid",
            study,
        )
        return [_entry(row) for row in rows]

    def entries(self, study: str) -> list[Entry]:
        """All cells of a study, oldest first."""
        query = f"SELECT {_COLUMNS} FROM cells WHERE study = ? ORDER BY rowid"
        return [_entry(row) for row in self._read(query, study)]

    def finished(self, trial: str) -> list[Entry]:
        """The cells of any study in which a trial was trained to its end, oldest first."""
        query = f"SELECT {_COLUMNS} FROM cells WHERE trial = ? AND state = ? ORDER BY rowid"
        found = [_entry(row) for row in self._read(query, trial, vocabulary.FINISHED)]
        return [entry for entry in found if vocabulary.STOPPED_EARLY not in entry.tags]

    def entry(self, cell: str) -> Entry | None:
        """One cell; None if it was never begun."""
        query = f"SELECT {_COLUMNS} FROM cells WHERE cell = ?"
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

    def forget_study(self, name: str) -> None:
        """A study is gone from MLflow: as `forget_run`, for each cell of all its variants."""
        keys = [(record.key,) for record in self.variants(name)]
        of_it = "SELECT cell FROM cells WHERE study = ?"
        with self._write() as db:
            db.executemany("UPDATE studies SET sent = NULL WHERE study = ?", keys)
            db.executemany(f"UPDATE points SET sent = 0 WHERE cell IN ({of_it})", keys)
            query = "UPDATE cells SET run_id = NULL, state_sent = NULL WHERE study = ?"
            db.executemany(query, keys)

    def value(self, cell: str, key: str) -> float | None:
        """The last point of a metric of a cell; None if there is none."""
        query = "SELECT value FROM points WHERE cell = ? AND key = ? ORDER BY step DESC LIMIT 1"
        rows = self._read(query, cell, key)
        return rows[0][0] if rows else None

    def num_unsent(self) -> int:
        """Points that wait for delivery."""
        return int(self._read("SELECT COUNT(*) FROM points WHERE sent = 0")[0][0])

    def delivered_studies(self) -> list[str]:
        """Names of the studies of which MLflow has had something, the oldest first."""
        rows = self._read(
            "SELECT record FROM studies WHERE sent IS NOT NULL OR EXISTS (SELECT 1 FROM cells "
            "WHERE cells.study = studies.study AND run_id IS NOT NULL) ORDER BY rowid"
        )
        return list(dict.fromkeys(json.loads(text)["name"] for (text,) in rows))

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
