"""The result matrix of a study, read from MLflow only."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboards.chosen import chosen
from dashboards.natural import natural
from dashboards.runs import StudyLike, StudyRuns, study_runs
from dashboards.statistics import Better, mean_of, summarise
from orchestrator import vocabulary
from orchestrator.labels import row_name, row_of
from orchestrator.mlflow_reader.cells import RecordedCell

STATISTICS = ("mean", "std", "n", "best")

Row = tuple[str, ...]
Table = dict[Row, dict[str, float]]


def result_matrix(
    study: str | StudyLike,
    tracking_uri: str | None = None,
    *,
    metric: str | None = None,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row per matrix row: mean, std, n, best, and the value of each cell.

    Rows come in the study's order, or sorted as its key `matrix.sort` says.

    Mean and spread are computed over the study's `over` axis only: each label of an axis that is
    neither `rows` nor `over` gets its own rows (`forward · width narrow`).

    All values come from one variant of the study; full runs are never mixed with scaled ones. The
    frame's `attrs` hold `study`, `title`, `metric`, `better`, `is_asked` (False: no cell of the
    study as in its file is finished, so this is its newest variant), `variant` (its id), `commits`
    (of the code that trained the cells), MLflow's `experiment_id`,
    `run_id` and `cell_run_ids`, `also`: the means of more metrics, by metric and row, and
    `missing`: the planned rows of which no cell is finished, unless `where` leaves cells out. If
    the study names a control, they also hold `control`, `controls`, `margin`, `planned`,
    `rows` (all that are planned) and `looks` (earlier numbers of seeds with verdicts), for
    `dashboards.comparison.compare`.

    Args:
        study: A name, or a study as `orchestrator.load_study` returns it.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else the store in the home.
        metric: A summary, or a curve, which counts with its last point; None: the study's metric.
        where: Axis name to label; only matching cells count.

    Raises:
        NoResultsError: If no cell is finished, or none has the metric.
    """
    return matrix_of(study_runs(study, tracking_uri), metric=metric, where=where)


def matrix_of(
    runs: StudyRuns,
    *,
    metric: str | None = None,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The matrix of cells that were read already; pure.

    Args:
        runs: What `study_runs` returns.
        metric: As for `result_matrix`.
        where: As for `result_matrix`.

    Raises:
        NoResultsError: If no cell matches, or none has the metric.
    """
    shown = chosen(runs, metric=metric, where=where)
    name, better, cells = shown.metric, shown.better, shown.cells
    table = _table(runs, cells, name)
    rows = _sorted_rows(runs, table, better)
    frame = _frame(runs, table, rows, better)
    also: list[str] = [] if metric else _also(runs)
    frame.attrs = {
        "study": runs.study,
        "title": runs.title,
        "metric": name,
        "better": better,
        "variant": runs.tags.get(vocabulary.VARIANT, ""),
        "commits": sorted({cell.commit for cell in cells if cell.commit}),
        "is_asked": runs.is_asked,
        "experiment_id": runs.experiment_id,
        "run_id": runs.run_id,
        "cell_run_ids": [cell.run_id for cell in cells],
        "also": {other: _means(runs, cells, rows, other) for other in also},
        "missing": [] if where else _missing(runs, rows),
        **_compared(runs, name),
    }
    return frame


def _missing(runs: StudyRuns, rows: Sequence[Row]) -> list[str]:
    """The planned rows of which no cell is finished."""
    there = {row[0] for row in rows}
    return [label for label in runs.labels() if label not in there]


def cell_values(matrix: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The values of single cells, (rows, values of `over`); NaN where no cell is finished.

    Args:
        matrix: The result of `result_matrix`.
    """
    # A frame with fewer columns would copy `attrs`, which name every cell.
    is_single = ~matrix.columns.isin(STATISTICS)
    values: npt.NDArray[np.float64] = matrix.to_numpy(dtype=np.float64)[:, is_single]
    return values


def lines_of(matrix: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Row to its values by column: rows of a frame would copy `attrs`, which name every cell.

    Args:
        matrix: The result of `result_matrix`.
    """
    values = matrix.to_numpy(dtype=np.float64).tolist()
    columns = list(matrix.columns)
    return {
        str(row): dict(zip(columns, line, strict=True))
        for row, line in zip(matrix.index, values, strict=True)
    }


def _frame(runs: StudyRuns, table: Table, rows: Sequence[Row], better: Better) -> pd.DataFrame:
    columns = sorted({column for row in table.values() for column in row}, key=natural)
    records = []
    for row in rows:
        summary = summarise(list(table[row].values()), better=better)
        values = [table[row].get(column, math.nan) for column in columns]
        records.append([summary.mean, summary.std, summary.n, summary.best, *values])
    index = pd.Index(_names(rows), name=runs.tags[vocabulary.ROWS_AXIS])
    return pd.DataFrame(records, index=index, columns=[*STATISTICS, *columns])


def _means(
    runs: StudyRuns, cells: Sequence[RecordedCell], rows: Sequence[Row], metric: str
) -> dict[str, float]:
    """The column `mean` of `_frame`, by row."""
    table = _table(runs, cells, metric)
    return {
        name: mean_of(table[row].values()) for name, row in zip(_names(rows), rows, strict=True)
    }


def _table(runs: StudyRuns, cells: Sequence[RecordedCell], metric: str) -> Table:
    """The values of a metric by row and column; NaN: the cell has none."""
    rows_axis = runs.tags[vocabulary.ROWS_AXIS]
    over_axis = runs.tags.get(vocabulary.OVER_AXIS, "")
    table: Table = {}
    for cell in cells:
        value = cell.metrics.get(metric, math.nan)
        column = f"{over_axis} {cell.labels[over_axis]}" if over_axis in cell.labels else "value"
        table.setdefault(row_of(cell.labels, rows_axis, over_axis), {})[column] = value
    return table


def _names(rows: Sequence[Row]) -> list[str]:
    """One text for each row; labels that have the dot between labels in them get a number."""
    names: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        name = row_name(row)
        names[name if name not in names else f"{name} ({number})"] = None
    return list(names)


def _sorted_rows(runs: StudyRuns, table: Table, better: Better) -> list[Row]:
    """Rows in the study's order; or the control first, then by their effect, the best first."""
    rows = _ordered(table, runs.labels(), better)
    # The control is a row of the only axis beside `over`: a study with more axes names none.
    control = table.get((runs.tags.get(vocabulary.CONTROL, ""),))
    if runs.tags.get(vocabulary.SORT) != "effect" or control is None:
        return rows
    sign = 1 if better == "lower" else -1

    def rank(row: Row) -> float:
        if table[row] is control:
            return -math.inf
        shared = table[row].keys() & control.keys()
        effect = mean_of([table[row][column] - control[column] for column in shared])
        return math.inf if math.isnan(effect) else sign * effect

    return sorted(rows, key=rank)


def _ordered(table: Table, labels: Sequence[str], better: Better) -> list[Row]:
    """Rows in the study's order; rows that a searcher drew have none, so the best comes first."""
    place = {label: number for number, label in enumerate(labels)}
    sign = 1 if better == "lower" else -1

    def rank(row: Row) -> tuple[float, tuple[str, ...], float]:
        if row[0] in place:
            return place[row[0]], row[1:], 0
        mean = mean_of(table[row].values())
        return math.inf, (), math.inf if math.isnan(mean) else sign * mean

    return sorted(table, key=rank)


def _compared(runs: StudyRuns, metric: str) -> dict[Hashable, Any]:
    """What the study compares its rows with; empty if it names nothing."""
    tags = runs.tags
    control, planned = tags.get(vocabulary.CONTROL, ""), tags.get(vocabulary.PLANNED, "")
    if not control or not planned.isdecimal():
        return {}
    is_own = metric == tags[vocabulary.METRIC_NAME]
    return {
        "control": control,
        "controls": runs.controls(),
        "margin": _margin(tags.get(vocabulary.MARGIN, "")) if is_own else None,
        "planned": int(planned),
        "rows": runs.labels(),
        "looks": [n for n in runs.looks() if n < int(planned)],
    }


def _margin(text: str) -> float | None:
    """The margin of a tag; None if there is none, or if somebody changed it in MLflow."""
    try:
        margin = float(text)
    except ValueError:
        return None
    return margin if 0 < margin < math.inf else None


def _also(runs: StudyRuns) -> list[str]:
    return [name for name in runs.also() if any(name in cell.metrics for cell in runs.cells)]
