"""The matrix with its statistics: a table, two charts, sentences; for the page and the report."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from dashboards.comparison import FEWEST, Comparison, Difference
from dashboards.html.charts import Chart
from dashboards.html.row_charts import differences_chart, seeds_chart
from dashboards.html.tables import Cell, Table, line
from dashboards.matrix import STATISTICS, cell_values
from dashboards.report import MOST_COLUMNS, shown, unit
from dashboards.verdicts import answer, confidence, difference, limits, verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixPart:
    """What is shown of a matrix.

    Args:
        answer: The answer to the study's question; empty if it names no control.
        table: The rows.
        charts: Seeds as dots, and differences from the control if the study names one.
        limits: What so many seeds can show.
        num_rows: Rows of the whole matrix.
    """

    answer: str
    table: Table
    charts: Sequence[Chart]
    limits: Sequence[str]
    num_rows: int


def matrix_part(
    matrix: pd.DataFrame,
    found: Comparison | None,
    rows: slice = slice(None),
    *,
    href: Callable[[str], str] = lambda row: "",
) -> MatrixPart:
    """The part of these rows; all statistics are of the whole matrix.

    Args:
        matrix: The result of `dashboards.matrix.matrix_of`.
        found: What `dashboards.comparison.compare` makes of it.
        rows: Which rows are shown.
        href: The address of a row's cells; empty: none.
    """
    metric, axis = str(matrix.attrs["metric"]), str(matrix.index.name)
    part = matrix.iloc[rows]
    # Copied with each row otherwise.
    part.attrs = {key: matrix.attrs[key] for key in ("metric", "better", "also")}
    differences = {one.row: one for one in found.differences} if found else {}
    return MatrixPart(
        answer=answer(matrix, found),
        table=_table(part, differences, found, href),
        charts=_charts(part, differences, found, axis=axis, metric=metric),
        limits=limits(matrix, found),
        num_rows=len(matrix),
    )


def _table(
    part: pd.DataFrame,
    differences: dict[str, Difference],
    found: Comparison | None,
    href: Callable[[str], str],
) -> Table:
    metric = str(part.attrs["metric"])
    singles = [column for column in part.columns if column not in STATISTICS]
    spread = bool((part["n"] > 1).any())
    singles = singles if spread and len(singles) <= MOST_COLUMNS else []
    head = [str(part.index.name), "mean ± std" if spread else "mean", "n"]
    if spread:
        head.append("lowest" if part.attrs["better"] == "lower" else "highest")
    if found is not None:
        head += [f"minus {found.control} [{confidence(found)}]", "verdict"]
    head += [*singles, *(f"{name}{unit(name)}" for name in part.attrs["also"])]
    lines = []
    numbers = part.to_numpy(dtype=float).tolist()
    for row, line_of_numbers in zip(map(str, part.index), numbers, strict=True):
        values = dict(zip(map(str, part.columns), line_of_numbers, strict=True))
        std = "" if math.isnan(values["std"]) else f" ± {shown(values['std'], metric)}"
        texts: list[str | Cell] = [Cell(row, href(row)), shown(values["mean"], metric) + std]
        texts.append(f"{values['n']:.0f}")
        if spread:
            texts.append(shown(values["best"], metric))
        one = differences.get(row)
        if found is not None and one is None:
            texts += ["–", "the others are compared with it"]
        elif found is not None and one is not None:
            texts += [difference(one, metric), verdict(one, found, metric)]
        texts += [shown(values[column], metric) for column in singles]
        texts += [
            shown(means.get(row, math.nan), name) for name, means in part.attrs["also"].items()
        ]
        lines.append(line(*texts, is_strong=bool(one and one.differs)))
    return Table(
        caption=f"{metric}{unit(metric)}: mean over the finished cells of each row",
        head=head,
        lines=lines,
        words=frozenset(index for index, name in enumerate(head) if name == "verdict"),
    )


def _charts(
    part: pd.DataFrame,
    differences: dict[str, Difference],
    found: Comparison | None,
    *,
    axis: str,
    metric: str,
) -> list[Chart]:
    values = dict(zip(map(str, part.index), cell_values(part).tolist(), strict=True))
    charts = [
        Chart(
            key="seeds",
            title="Each cell a dot; tick: mean; line: 95 % t interval of the mean, row by row",
            spec=seeds_chart(
                values,
                {row: _interval_of_mean(known) for row, known in values.items()},
                axis=axis,
                metric=metric,
            ),
        )
    ]
    shown_ones = [differences[row] for row in values if row in differences]
    if found is not None and any(math.isfinite(one.mean) for one in shown_ones):
        title = (
            f"Paired differences from {found.control}; the intervals hold for all rows together"
        )
        spec = differences_chart(found, shown_ones, axis=axis, metric=metric)
        charts.append(Chart(key="differences", title=title, spec=spec))
    return charts


def _interval_of_mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, lower and upper end of its 95 % t interval; the ends are NaN with too few values."""
    known = np.array([value for value in values if math.isfinite(value)])
    if not len(known):
        return math.nan, math.nan, math.nan
    mean = float(known.mean())
    if len(known) < FEWEST:
        return mean, math.nan, math.nan
    error = float(known.std(ddof=1)) / math.sqrt(len(known))
    half = float(special.stdtrit(len(known) - 1, 0.975)) * error
    return mean, mean - half, mean + half
