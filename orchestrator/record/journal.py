"""The journal: stores every result on this machine's disk as it arrives.

It is an SQLite file in WAL mode; several sweeps may use it. A point is identified by (cell, key,
step) and the first one written stays, so a trial that repeats an epoch after a kill changes
nothing. A commit returns only after it is flushed to disk.
"""

import errno
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.free_space import DiskFullError, is_full
from orchestrator.record.entries import (
    CellDescription,
    Entry,
    Point,
    StudyRecord,
    entry_of,
    point_of,
    record_of,
)
from orchestrator.record.journal_tables import SCHEMA, TABLES
from orchestrator.vocabulary import State

_COLUMNS = "description, state, tags, run_id, state_sent"


class JournalError(OrchestratorError):
    """The journal's file is damaged or of another version."""


class GoneError(JournalError):
    """The journal's file is no longer in its place, though a sweep uses it."""

    launched = True


class Journal:
    """The journal of one store; several threads and processes may use it.

    After the first write that fails on a full disk, every write raises DiskFullError. Otherwise an
    epoch could be missing between two others.

    Args:
        path: Its file; created, with its folder, if it does not exist.

    Raises:
        JournalError: If the file has another version, is damaged, or is not a journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._make_folder()
        self._lock = threading.Lock()
        self._refused: DiskFullError | None = None
        try:
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._number = os.stat(path).st_ino
            self._db.execute("PRAGMA synchronous=FULL")
            self._refuse_damaged()
            self._drop_schema_1()
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA):
                other = "newer" if version > SCHEMA else "older"
                what = f"{path} has version {version}, this program knows {SCHEMA}"
                raise JournalError(f"{what}; use the {other} program, or another --home")
            self._db.executescript(TABLES)
            self._db.execute(f"PRAGMA user_version={SCHEMA}")
        except sqlite3.DatabaseError as error:
            if is_full(error):
                raise JournalError(str(DiskFullError.at(path, error))) from error
            what = f"{path} cannot be used as a journal: {error}"
            way = "move it away to continue: a new one is filled from MLflow and the checkpoints"
            raise JournalError(f"{what}; {way}") from error

    def _make_folder(self) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            what = f"{folder} cannot be used for results: {error.strerror}"
            raise JournalError(f"{what}; name another folder with --home") from error

    def _refuse_damaged(self) -> None:
        """Finds damage before anything is trained; takes half a second for 100 MB."""
        [first] = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if first != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({' '.join(first.split())})")

    def _drop_schema_1(self) -> None:
        """Drops a journal of the first schema if MLflow has all its results."""
        if self._db.execute("PRAGMA user_version").fetchone()[0] != 1:
            return
        waits = "SELECT (SELECT COUNT(*) FROM points WHERE sent = 0) + COUNT(*) FROM cells "
        if self._db.execute(f"{waits} WHERE state_sent IS NOT state").fetchone()[0] == 0:
            self._db.executescript("DROP TABLE cells; DROP TABLE points; PRAGMA user_version=0")

    def close(self) -> None:
        """Closes the file; if it is not called, nothing is lost."""
        with self._lock:
            self._db.close()

    @property
    def home(self) -> str:
        """The id of this journal, created on first use; a copy of the file gets another one.

        A file keeps its number on its disk when it is moved there, and a copy has another.
        """
        mark = f"-{self._number:x}"
        with self._write() as db:
            query = "INSERT INTO home SELECT ? WHERE NOT EXISTS (SELECT 1 FROM home)"
            db.execute(query, (f"{secrets.token_hex(6)}{mark}",))
            db.execute(
                "UPDATE home SET id = ? WHERE substr(id, -length(?)) != ?",
                (f"{secrets.token_hex(6)}{mark}", mark, mark),
            )
        return str(self._read("SELECT id FROM home")[0][0])

    @property
    def is_gone(self) -> bool:
        """Whether the file was moved, deleted or replaced; what is written goes with it."""
        try:
            return os.stat(self.path).st_ino != self._number
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            # A disk that does not answer for a moment.
            return False

    def refuse_gone(self) -> None:
        """Refuses to go on with a home that is no longer in its place.

        Raises:
            GoneError: Saying what to do.
        """
        if self.is_gone:
            what = f"{self.path} was moved, deleted or replaced while it was in use"
            way = "results until then are in the moved file, or else in MLflow and the checkpoints"
            raise GoneError(f"{what}; {way}; repeat the command with the --home of its new place")

    def begin_study(self, record: StudyRecord) -> None:
        """Stores the record that MLflow shall have of a study from now on."""
        with self._write() as db:
            db.execute(
                "INSERT INTO studies (study, record) VALUES (?, ?) "
                "ON CONFLICT (study) DO UPDATE SET record = excluded.record, sent = NULL",
                (record.key, json.dumps(asdict(record))),
            )

    def study(self, key: str) -> StudyRecord | None:
        """The record that MLflow shall have of a study; None if the study was never begun."""
        rows = self._read("SELECT record FROM studies WHERE study = ?", key)
        return record_of(rows[0][0]) if rows else None

    def variants(self, name: str) -> list[StudyRecord]:
        """The records of a study's variants, oldest first."""
        rows = self._read("SELECT record FROM studies ORDER BY rowid")
        records = [record_of(text) for (text,) in rows]
        return [record for record in records if record.name == name]

    def unsent_studies(self) -> list[StudyRecord]:
        """Studies whose record MLflow lacks, oldest first."""
        rows = self._read("SELECT record FROM studies WHERE sent IS NOT record ORDER BY rowid")
        return [record_of(text) for (text,) in rows]

    def mark_study_sent(self, record: StudyRecord) -> None:
        """Notes that MLflow has confirmed this record."""
        with self._write() as db:
            query = "UPDATE studies SET sent = ? WHERE study = ?"
            db.execute(query, (json.dumps(asdict(record)), record.key))

    def begin(self, description: CellDescription) -> None:
        """Stores that a cell starts or restarts.

        Its state is sent again, also if it ends as it ended before: its run may be gone meanwhile.
        """
        row = (description.cell, description.study, description.trial)
        with self._write() as db:
            db.execute(
                "INSERT INTO cells (cell, study, trial, description, state, tags) "
                "VALUES (?, ?, ?, ?, ?, '{}') "
                "ON CONFLICT (cell) DO UPDATE SET description = excluded.description, "
                "state = excluded.state, tags = excluded.tags, state_sent = NULL",
                (*row, json.dumps(asdict(description)), State.RUNNING),
            )

    def append(self, cell: str, points: Iterable[Point]) -> None:
        """Stores points of a cell; if key and step already exist, the first point stays."""
        rows = [(cell, point.key, point.step, point.value, point.time_ms, 0) for point in points]
        with self._write() as db:
            db.executemany("INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?, ?, ?)", rows)

    def end(self, cell: str, state: State, tags: Mapping[str, str] | None = None) -> None:
        """Stores that a cell is finished, has failed, or was interrupted."""
        with self._write() as db:
            db.execute(
                "UPDATE cells SET state = ?, tags = ? WHERE cell = ?",
                (state, json.dumps(dict(tags or {})), cell),
            )

    def undelivered(self, *, study: str | None = None) -> list[Entry]:
        """Cells with results that MLflow lacks, oldest first; of one study, or of all."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM cells WHERE (state_sent IS NOT state "
            "OR cell IN (SELECT DISTINCT cell FROM points WHERE sent = 0)) "
            "AND (?1 IS NULL OR study = ?1) ORDER BY rowid",
            study,
        )
        return [entry_of(row) for row in rows]

    def entries(self, study: str) -> list[Entry]:
        """All cells of a study, oldest first."""
        query = f"SELECT {_COLUMNS} FROM cells WHERE study = ? ORDER BY rowid"
        return [entry_of(row) for row in self._read(query, study)]

    def newest(self, *, most: int) -> list[Entry]:
        """The cells that were begun last, of any study, newest first."""
        query = f"SELECT {_COLUMNS} FROM cells ORDER BY rowid DESC LIMIT ?"
        return [entry_of(row) for row in self._read(query, most)]

    def finished(self, trial: str) -> list[Entry]:
        """Cells of any study that trained a trial to its end, oldest first."""
        query = f"SELECT {_COLUMNS} FROM cells WHERE trial = ? AND state = ? ORDER BY rowid"
        found = [entry_of(row) for row in self._read(query, trial, State.FINISHED)]
        return [entry for entry in found if vocabulary.STOPPED_EARLY not in entry.tags]

    def begun(self, trial: str) -> list[Entry]:
        """Cells of any study that have trained epochs of a trial, oldest first."""
        query = (
            f"SELECT {_COLUMNS} FROM cells WHERE trial = ? AND EXISTS "
            "(SELECT 1 FROM points WHERE points.cell = cells.cell) ORDER BY rowid"
        )
        return [entry_of(row) for row in self._read(query, trial)]

    def entry(self, cell: str) -> Entry | None:
        """One cell; None if it was never started."""
        query = f"SELECT {_COLUMNS} FROM cells WHERE cell = ?"
        rows = self._read(query, cell)
        return entry_of(rows[0]) if rows else None

    def unsent(self, cell: str, *, most: int) -> list[Point]:
        """The next points to deliver, in the order of their steps."""
        rows = self._read(
            "SELECT key, step, value, time_ms FROM points WHERE cell = ? AND sent = 0 "
            "ORDER BY step, key LIMIT ?",
            cell,
            most,
        )
        return [point_of(row) for row in rows]

    def points(self, cell: str) -> list[Point]:
        """All points of a cell, in the order of their steps."""
        query = "SELECT key, step, value, time_ms FROM points WHERE cell = ? ORDER BY step, key"
        return [point_of(row) for row in self._read(query, cell)]

    def mark_sent(self, cell: str, points: Sequence[Point]) -> None:
        """Notes that MLflow has confirmed these points."""
        keys = [(cell, point.key, point.step) for point in points]
        query = "UPDATE points SET sent = 1 WHERE cell = ? AND key = ? AND step = ?"
        with self._write() as db:
            db.executemany(query, keys)

    def mark_state_sent(self, cell: str, state: State) -> None:
        """Notes that MLflow has confirmed this state."""
        with self._write() as db:
            db.execute("UPDATE cells SET state_sent = ? WHERE cell = ?", (state, cell))

    def set_run(self, cell: str, run_id: str) -> None:
        """Stores the id of the cell's MLflow run."""
        with self._write() as db:
            db.execute("UPDATE cells SET run_id = ? WHERE cell = ?", (run_id, cell))

    def forget_run(self, cell: str) -> None:
        """Marks all of a cell's results for redelivery, because its MLflow run is gone."""
        with self._write() as db:
            db.execute("UPDATE cells SET run_id = NULL, state_sent = NULL WHERE cell = ?", (cell,))
            db.execute("UPDATE points SET sent = 0 WHERE cell = ?", (cell,))

    def resend(self, cell: str) -> None:
        """Marks all of a cell's results for redelivery to the run that it has."""
        with self._write() as db:
            db.execute("UPDATE cells SET state_sent = NULL WHERE cell = ?", (cell,))
            db.execute("UPDATE points SET sent = 0 WHERE cell = ?", (cell,))

    def forget_study(self, name: str) -> None:
        """Does the same as `forget_run` for each cell of all variants of a study."""
        keys = [(record.key,) for record in self.variants(name)]
        of_it = "SELECT cell FROM cells WHERE study = ?"
        with self._write() as db:
            db.executemany("UPDATE studies SET sent = NULL WHERE study = ?", keys)
            db.executemany(f"UPDATE points SET sent = 0 WHERE cell IN ({of_it})", keys)
            query = "UPDATE cells SET run_id = NULL, state_sent = NULL WHERE study = ?"
            db.executemany(query, keys)

    def states(self, study: str) -> list[tuple[str, str, str | None]]:
        """Key, state and MLflow's run of each cell of a study; quick, also for 10,000 cells."""
        return self._read("SELECT cell, state, run_id FROM cells WHERE study = ?", study)

    def chosen(self, cell: str, keys: Sequence[str]) -> list[Point]:
        """A cell's points of these metrics, and of each layer the first with binary weights."""
        rows = self._read(
            "SELECT key, step, value, time_ms FROM points WHERE cell = ?1 "
            "AND key IN (SELECT value FROM json_each(?2)) "
            "UNION ALL SELECT key, MIN(step), value, time_ms FROM points WHERE cell = ?1 "
            "AND key > 'binary/' AND key < 'binary0' AND value > 0 GROUP BY key",
            cell,
            json.dumps(keys),
        )
        return [point_of(row) for row in rows]

    def value(self, cell: str, key: str) -> float | None:
        """The last value of a cell's metric; None if there is none."""
        query = "SELECT value FROM points WHERE cell = ? AND key = ? ORDER BY step DESC LIMIT 1"
        rows = self._read(query, cell, key)
        return rows[0][0] if rows else None

    def last_sent(self, cell: str) -> dict[str, Point]:
        """The last point of each of a cell's metrics that MLflow has confirmed."""
        rows = self._read(
            "SELECT key, MAX(step), value, time_ms FROM points WHERE cell = ? AND sent = 1 "
            "GROUP BY key",
            cell,
        )
        return {row[0]: point_of(row) for row in rows}

    def num_waiting(self, study: str) -> int:
        """Number of a study's cells of whose end MLflow does not know."""
        query = (
            "SELECT COUNT(*) FROM cells WHERE study = ? AND state != ? AND state_sent IS NOT state"
        )
        return int(self._read(query, study, State.RUNNING)[0][0])

    def num_unsent(self) -> int:
        """Number of points that wait for delivery."""
        return int(self._read("SELECT COUNT(*) FROM points WHERE sent = 0")[0][0])

    def delivered_studies(self) -> list[str]:
        """Names of the studies that were at least partly delivered, oldest first."""
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
