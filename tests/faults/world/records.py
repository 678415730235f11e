"""What a store holds, straight from its tables, and how that compares with a calm sweep."""

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy

TIMES = ("epoch_s", "inherited_epochs")
"""Metrics that differ between two sweeps that trained the same."""


@dataclass(frozen=True)
class Cell:
    """A cell's run."""

    name: str
    status: str
    tags: Mapping[str, str]
    rows: tuple[tuple[str, int, float], ...]

    @property
    def places(self) -> Counter[tuple[str, int]]:
        """How often each metric stands at each step."""
        return Counter((key, step) for key, step, _ in self.rows)

    @property
    def values(self) -> dict[tuple[str, int], float]:
        """The points that two sweeps share to the last bit."""
        return {(key, step): value for key, step, value in self.rows if key not in TIMES}


@dataclass(frozen=True)
class Verdict:
    """How a sweep in trouble compares with a calm one; all counts must be 0.

    Args:
        cells: Cells of the calm sweep.
        lost: Cells without a finished run.
        doubled_runs: Runs beyond one a cell.
        steps: Points of the calm sweep.
        missing: Points that are not there.
        doubled: Points that are there more than once.
        other: Points with another value, and cells with other final weights.
    """

    cells: int
    lost: int
    doubled_runs: int
    steps: int
    missing: int
    doubled: int
    other: int
    names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return not any((self.lost, self.doubled_runs, self.missing, self.doubled, self.other))

    def figures(self) -> dict[str, int]:
        """For the table of `make faults`."""
        return {
            "cells": self.cells,
            "cells lost": self.lost,
            "runs doubled": self.doubled_runs,
            "steps missing": self.missing,
            "steps doubled": self.doubled,
            "values or weights that differ": self.other,
        }


def read_cells(database: Path | str) -> list[Cell]:
    """The run of every cell in a database.

    Args:
        database: The file of an SQLite store, or SQLAlchemy's address of another.
    """
    address = f"sqlite:///{database}" if isinstance(database, Path) else database
    engine = sqlalchemy.create_engine(address)
    try:
        with engine.connect() as connection:

            def rows(query: str) -> Sequence[sqlalchemy.Row[tuple[object, ...]]]:
                return connection.execute(sqlalchemy.text(query)).fetchall()

            runs = rows("SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active'")
            tags: dict[str, dict[str, str]] = {}
            for run, key, value in rows("SELECT run_uuid, key, value FROM tags"):
                tags.setdefault(run, {})[key] = value
            points: dict[str, list[tuple[str, int, float]]] = {}
            query = "SELECT run_uuid, key, step, value, is_nan FROM metrics"
            for run, key, step, value, is_nan in rows(query):
                number = math.nan if is_nan else value
                points.setdefault(run, []).append((key, step, number))
    finally:
        engine.dispose()
    return [
        Cell(name, status, tags.get(run, {}), tuple(points.get(run, ())))
        for run, name, status in runs
        if tags.get(run, {}).get("bnn.kind") == "cell"
    ]


def compare(cells: Sequence[Cell], calm: Sequence[Cell]) -> Verdict:
    """Each cell once, each step of it once, each value and weight as in the calm sweep."""
    expected = {cell.name: cell for cell in calm}
    assert len(expected) == len(calm)
    runs = Counter(cell.name for cell in cells)
    finished = {cell.name: cell for cell in cells if cell.tags.get("bnn.state") == "finished"}
    missing = doubled = other = 0
    for name, cell in finished.items():
        wanted, have = expected[name].places, cell.places
        missing += sum(place not in have for place in wanted if place[0] not in TIMES)
        doubled += sum(count - 1 for count in have.values())
        other += cell.tags.get("bnn.weights_sha256") != expected[name].tags["bnn.weights_sha256"]
        values = cell.values
        other += sum(
            place in values and values[place] != value
            for place, value in expected[name].values.items()
        )
    lost = [name for name in expected if name not in finished]
    return Verdict(
        cells=len(expected),
        lost=len(lost),
        doubled_runs=sum(count - 1 for count in runs.values()),
        steps=sum(len(cell.values) for cell in calm),
        missing=missing,
        doubled=doubled,
        other=other,
        names=tuple(lost),
    )


def journal_rows(home: Path) -> int:
    """Points in the journals of a home; 0 while there is none to read."""
    total = 0
    for path in home.glob("journal*.db"):
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
                total += int(journal.execute("SELECT COUNT(*) FROM points").fetchone()[0])
        except sqlite3.OperationalError:
            continue
    return total
