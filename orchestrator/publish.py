"""Puts matrices where MLflow's users look: on the runs of their studies."""

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboards.report import matrix_csv, matrix_markdown
from dashboards.runs import StudyRuns
from dashboards.stages import best_of
from dashboards.views import View, view_of
from orchestrator import vocabulary
from orchestrator.protocol import Sensitivities
from orchestrator.record import Store

LONGEST_ROW = 200
"""Characters of a row's label in the name of its metric, of which MLflow takes 250."""


def publish_matrix(store: Store, matrix: Any) -> None:
    """Records the matrix as CSV, JSON and Markdown, and each row's mean as a metric.

    Args:
        store: Where to.
        matrix: What `dashboards.result_matrix` returned; names the run it belongs to.
    """
    run_id = matrix.attrs["run_id"]
    stem = vocabulary.MATRIX_ARTIFACT
    store.log_text(run_id, matrix_csv(matrix), f"{stem}.csv")
    store.log_text(run_id, matrix.to_json(orient="split", indent=1), f"{stem}.json")
    store.log_text(run_id, matrix_markdown(matrix), f"{stem}.md")
    means = {
        vocabulary.ROW_MEAN.format(row=_key(str(row))): float(mean)
        for row, mean in matrix["mean"].items()
    }
    top = matrix["mean"].min() if matrix.attrs["better"] == "lower" else matrix["mean"].max()
    values = {**means, "cells/finished": float(matrix["n"].sum()), "matrix/best": float(top)}
    store.log_values(run_id, values, time.time_ns() // 1_000_000)


def publish_sensitivities(store: Store, found: Sensitivities) -> None:
    """Records layer by learning rate, and the orders that follow, on the run of the stage."""
    run_id, stem = found.table.attrs["run_id"], vocabulary.SENSITIVITY_ARTIFACT
    _publish_table(store, run_id, found.table.reset_index(), stem)
    store.log_text(run_id, found.to_json(), f"{stem}-orders.json")
    if found.kendall_tau is not None:
        values = {"sensitivity/kendall_tau": found.kendall_tau}
        store.log_values(run_id, values, time.time_ns() // 1_000_000)


def publish_rates(store: Store, table: pd.DataFrame) -> None:
    """Records row by learning rate, and the best rate of each, on the run of the stage.

    Args:
        store: Where to.
        table: What `dashboards.stages.table_of` returned.
    """
    best = best_of(table)
    known = table.reset_index()
    known["best_lr"] = [best[row][0] if row in best else "" for row in table.index]
    _publish_table(store, table.attrs["run_id"], known, vocabulary.RATES_ARTIFACT)


def publish_protocol(
    store: Store, matrices: Mapping[str, pd.DataFrame], table: pd.DataFrame
) -> None:
    """Records the matrix of all networks on the run of each network's full stage.

    Args:
        store: Where to.
        matrices: What `dashboards.stages.full_matrix` returned, by network.
        table: What `dashboards.stages.by_network` made of them.
    """
    for matrix in matrices.values():
        _publish_table(store, matrix.attrs["run_id"], table, vocabulary.PROTOCOL_ARTIFACT)


def _publish_table(store: Store, run_id: str, table: pd.DataFrame, stem: str) -> None:
    store.log_table(run_id, table, stem)
    store.log_text(run_id, table.to_csv(index=False, lineterminator="\n"), f"{stem}.csv")


def publish_view(store: Store, runs: StudyRuns) -> View:
    """Saves the view in which MLflow's pages open on a study; returns it, for its link."""
    view = view_of(runs)
    content = view.content(time_ms=time.time_ns() // 1_000_000)
    store.set_experiment_tag(runs.experiment_id, view.tag, content)
    return view


def _key(row: str) -> str:
    """MLflow takes letters, digits and _-. : / in a metric's name, and no path that turns."""
    fine = "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in row)
    parts = fine[:LONGEST_ROW].split("/")
    return "/".join("_" if part.strip() in ("", ".", "..") else part for part in parts)
