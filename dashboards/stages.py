"""The results of a protocol's stages, read from MLflow only."""

import math
from collections.abc import Mapping
from typing import cast

import pandas as pd

from dashboards.comparison import compare
from dashboards.matrix import STATISTICS, result_matrix
from dashboards.runs import NoResultsError, StudyLike, StudyRuns, study_runs
from dashboards.statistics import Better, summarise
from orchestrator import vocabulary

FLOAT, BINARY = "float", "binary"
GAPS = {FLOAT: "gap_to_float", BINARY: "gap_to_binary"}


def table_of(study: StudyLike, tracking_uri: str | None, *, column: str) -> pd.DataFrame:
    """The study's metric by row and by the labels of one other axis, averaged over all others.

    Args:
        study: A study; only this variant of it counts.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else the store in the home.
        column: Axis whose labels are the columns, such as `lr`.

    Returns:
        A frame of fractions; NaN where no cell is finished. Its `attrs` hold `run_id`, `title`,
        `metric` and `better`.

    Raises:
        NoResultsError: If no cell is finished, or the study has no such axis.
    """
    runs = study_runs(study, tracking_uri)
    _refuse_another(runs)
    metric, rows = runs.tags[vocabulary.METRIC_NAME], runs.tags[vocabulary.ROWS_AXIS]
    if any(column not in cell.labels for cell in runs.cells):
        raise NoResultsError(f"{runs.title} has no axis '{column}'")
    values: dict[tuple[str, str], list[float]] = {}
    for cell in runs.cells:
        place = cell.labels[rows], cell.labels[column]
        values.setdefault(place, []).append(cell.metrics.get(metric, math.nan))
    better = _better(runs)
    means = {place: summarise(found, better=better).mean for place, found in values.items()}
    columns = sorted({label for _, label in means}, key=_by_size)
    frame = pd.DataFrame(
        [[means.get((row, label), math.nan) for label in columns] for row in runs.labels()],
        index=pd.Index(runs.labels(), name=rows),
        columns=pd.Index(columns, name=column),
    )
    frame.attrs = {
        "run_id": runs.run_id,
        "title": runs.title,
        "metric": metric,
        "better": better,
    }
    return frame


def best_of(frame: pd.DataFrame) -> dict[str, tuple[str, float]]:
    """Row to the column with the best value, and that value; the first column wins a tie.

    Rows without a value are omitted.

    Args:
        frame: The result of `table_of`.
    """
    sign = 1 if frame.attrs["better"] == "lower" else -1
    found: dict[str, tuple[str, float]] = {}
    for row in frame.index:
        values = {str(label): float(value) for label, value in frame.loc[row].items()}
        known = [(sign * value, label) for label, value in values.items() if value == value]
        if known:
            worth, label = min(known, key=lambda item: item[0])
            found[str(row)] = label, sign * worth
    return found


def with_best(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its rows as a column, and each row's best column as `best_lr`; empty: none.

    Args:
        frame: The result of `table_of`.
    """
    best, known = best_of(frame), frame.reset_index()
    known["best_lr"] = [best[row][0] if row in best else "" for row in frame.index]
    return known


def with_gaps(matrix: pd.DataFrame) -> pd.DataFrame:
    """The statistics of a result matrix, and each row's gap to the two controls.

    Args:
        matrix: The result of `result_matrix`.

    Returns:
        Columns mean, std, n, best, and gap_to_float and gap_to_binary if those rows exist: the
        row's mean minus the control's, so for errors a positive gap is worse. `told_apart` in its
        `attrs` lists the rows that differ from the control which the study names.
    """
    frame = matrix[list(STATISTICS)].copy()
    for control, name in GAPS.items():
        if control in frame.index:
            frame[name] = frame["mean"] - frame["mean"][control]
    compared = compare(matrix)
    told = [one.row for one in compared.differences if one.differs] if compared else []
    frame.attrs = {**matrix.attrs, "told_apart": told}
    return frame


def full_matrix(study: StudyLike, tracking_uri: str | None) -> pd.DataFrame:
    """`with_gaps` for exactly this variant of a study.

    Raises:
        NoResultsError: If this variant has no finished cell.
    """
    _refuse_another(study_runs(study, tracking_uri))
    return with_gaps(result_matrix(study, tracking_uri))


def by_network(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Joins the matrices of several networks, one line for each network and row.

    Args:
        frames: Network to the result of `full_matrix`.
    """
    parts = [
        frame.rename_axis("row").reset_index().assign(network=network)
        for network, frame in frames.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["network", *(name for name in table.columns if name != "network")]]


def _refuse_another(runs: StudyRuns) -> None:
    if not runs.is_asked:
        what = f"no cell of the requested variant of {runs.study} is finished"
        raise NoResultsError(f"{what}; the store has {runs.title}")


def _better(runs: StudyRuns) -> Better:
    return cast(Better, runs.tags[vocabulary.METRIC_BETTER])


def _by_size(label: str) -> tuple[float, str]:
    """A sort key: numbers first, largest first, as is usual for learning rates; then names."""
    try:
        return -float(label), label
    except ValueError:
        return math.inf, label
