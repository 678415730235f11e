"""Logs result matrices on the MLflow runs of their studies."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from dashboards.comparison import compare
from dashboards.matrix import result_matrix
from dashboards.note import study_note
from dashboards.report import matrix_csv
from dashboards.runs import NoResultsError, StudyLike, StudyRuns, study_runs
from dashboards.views import View, view_of
from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.percent import in_percent
from orchestrator.process.waiting import waiting_for
from orchestrator.record.store import Store

_BEST = "matrix/best"
_NOTE = "mlflow.note.content"
MOST_COMPLETED = 1000
"""Most cells of an earlier version that get metrics in percent; each takes a call."""
LONGEST_ROW = 200
"""Most characters of a row's label in its metric's name, which MLflow limits to 250."""


def matrix_of_finished(study: StudyLike, home: Home) -> pd.DataFrame | None:
    """The matrix of a study from MLflow; None if no cell of it is finished."""
    try:
        matrix = result_matrix(study, home.tracking_uri)
    except NoResultsError:
        return None
    return matrix if matrix.attrs["is_asked"] else None


def record_matrix(study: StudyLike, matrix: pd.DataFrame, home: Home) -> None:
    """Records a matrix and the view of its cells on the run of the study."""
    with waiting_for("MLflow to take the matrix"):
        store = Store(home)
        publish_matrix(store, matrix)
        runs = study_runs(study, home.tracking_uri)
        publish_note(store, matrix, runs)
        note_look(store, matrix, runs)
        publish_view(store, with_percent(store, runs))


def publish_matrix(store: Store, matrix: Any) -> None:
    """Logs the matrix as CSV, JSON and Markdown, and each row's mean as a metric.

    Args:
        store: The store to write to.
        matrix: The result of `dashboards.result_matrix`; it names its run.
    """
    run_id = matrix.attrs["run_id"]
    stem = vocabulary.MATRIX_ARTIFACT
    store.log_text(run_id, matrix_csv(matrix), f"{stem}.csv")
    store.log_text(run_id, matrix.to_json(orient="split", indent=1), f"{stem}.json")
    store.log_text(run_id, study_note(matrix), f"{stem}.md")
    rows = [str(row) for row in matrix.index]
    means = {key: float(mean) for key, mean in zip(_keys(rows), matrix["mean"], strict=True)}
    top = matrix["mean"].min() if matrix.attrs["better"] == "lower" else matrix["mean"].max()
    values = {**means, "cells/finished": float(matrix["n"].sum()), _BEST: float(top)}
    store.log_values(run_id, values, time.time_ns() // 1_000_000)


def publish_note(store: Store, matrix: pd.DataFrame, runs: StudyRuns) -> None:
    """Writes the answer and the matrix into the experiment's note, which MLflow's pages show.

    A note that somebody else wrote stays.

    Args:
        store: The store to write to.
        matrix: The result of `dashboards.result_matrix`.
        runs: The recorded study.
    """
    question = runs.tags.get(_NOTE, "")
    tags = store.client.get_experiment(runs.experiment_id).tags
    there = tags.get(_NOTE, "")
    if there not in ("", question) and _digest(there) != tags.get(vocabulary.NOTED):
        return
    note = study_note(matrix, question)
    store.set_experiment_tag(runs.experiment_id, vocabulary.NOTED, _digest(note))
    store.set_experiment_tag(runs.experiment_id, _NOTE, note)


def with_percent(store: Store, runs: StudyRuns) -> StudyRuns:
    """Adds metrics in percent to cells of earlier versions; to none if there are too many.

    Args:
        store: The store to write to.
        runs: The recorded study.
    """
    lacking = {
        cell.run_id: added
        for cell in runs.cells
        if not (added := in_percent(cell.metrics)).items() <= cell.metrics.items()
    }
    if len(lacking) > MOST_COMPLETED:
        return runs
    now = time.time_ns() // 1_000_000
    for run_id, added in lacking.items():
        store.log_values(run_id, added, now)
    return runs.with_cells(
        [
            replace(cell, metrics={**cell.metrics, **lacking.get(cell.run_id, {})})
            for cell in runs.cells
        ]
    )


def note_look(store: Store, matrix: pd.DataFrame, runs: StudyRuns) -> None:
    """Notes that verdicts were given at so many seeds; seeds that are added later lower the level.

    Args:
        store: The store to write to.
        matrix: The result of `dashboards.result_matrix`.
        runs: The recorded study.
    """
    found = compare(matrix)
    if found is None or all(one.differs is None for one in found.differences):
        return
    looks = sorted({*runs.looks(), int(matrix.attrs["planned"])})
    store.set_tags(runs.run_id, {vocabulary.LOOKS: json.dumps(looks)})


def publish_view(store: Store, runs: StudyRuns) -> View:
    """Saves the view of a study for MLflow's pages and returns it, for its link."""
    view = view_of(runs)
    content = view.content(time_ms=time.time_ns() // 1_000_000)
    store.set_experiment_tag(runs.experiment_id, view.tag, content)
    return view


def _digest(note: str) -> str:
    return hashlib.sha256(note.strip().encode()).hexdigest()


def _keys(rows: Sequence[str]) -> list[str]:
    """The names of the rows' metrics; rows that would have the same one get a checksum behind."""
    keys = [vocabulary.ROW_MEAN.format(row=_key(row)) for row in rows]
    taken = Counter([*keys, _BEST])
    return [
        f"{key} {hashlib.sha256(row.encode()).hexdigest()[:8]}" if taken[key] > 1 else key
        for key, row in zip(keys, rows, strict=True)
    ]


def _key(row: str) -> str:
    """A row's label as a valid metric name: letters, digits and _-. :/, without . or .. parts."""
    fine = "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in row)
    parts = fine[:LONGEST_ROW].split("/")
    return "/".join("_" if part.strip() in ("", ".", "..") else part for part in parts)
