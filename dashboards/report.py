"""A result matrix as text, for a terminal or a file."""

import math

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dashboards.matrix import STATISTICS, lines_of

MOST_COLUMNS = 8
"""With more columns of single cells than this, a table omits them."""


def matrix_table(matrix: pd.DataFrame, console: Console) -> Table:
    """The matrix as a table for a terminal.

    Errors and accuracies are in percent. If the table is too wide, it omits the values of single
    cells first, then the additional metrics.

    Args:
        matrix: The result of `result_matrix`.
        console: The console that it must fit.
    """
    # Measured with unlimited width.
    roomy = console.options.update(width=10_000)
    for with_cells in (True, False):
        table = _table(matrix, with_cells=with_cells, with_also=True)
        if console.measure(table, options=roomy).maximum <= console.width:
            return table
    return _table(matrix, with_cells=False, with_also=False)


def _table(matrix: pd.DataFrame, *, with_cells: bool, with_also: bool) -> Table:
    attrs = matrix.attrs
    metric = str(attrs["metric"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(Text(str(matrix.index.name)), overflow="fold")
    spread = bool((matrix["n"] > 1).any())
    table.add_column("mean ± std" if spread else "mean", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    if spread:
        best = "lowest" if attrs["better"] == "lower" else "highest"
        table.add_column(best, justify="right", no_wrap=True)
    singles = [column for column in matrix.columns if column not in STATISTICS]
    singles = singles if with_cells and spread and len(singles) <= MOST_COLUMNS else []
    for column in singles:
        head = Text(column.replace(" ", "\n"))
        table.add_column(head, justify="right", no_wrap=True)
    also = attrs["also"] if with_also else {}
    for name in also:
        words = f"{name}{unit(name)}".replace("/", "\n").replace("_", "\n")
        table.add_column(words, justify="right", style="dim", no_wrap=True)
    for row, values in lines_of(matrix).items():
        mean = shown(values["mean"], metric)
        std = "" if math.isnan(values["std"]) else f" ± {shown(values['std'], metric)}"
        cells = [mean + std, f"{values['n']:.0f}"]
        if spread:
            cells.append(shown(values["best"], metric))
        cells += [shown(values[column], metric) for column in singles]
        cells += [shown(column.get(row, math.nan), name) for name, column in also.items()]
        table.add_row(Text(str(row)), *cells)
    return table


def matrix_title(matrix: pd.DataFrame) -> str:
    """The line above the table: study, metric and unit."""
    metric = str(matrix.attrs["metric"])
    return f"{matrix.attrs['title']}: {metric}{unit(metric)}"


def matrix_csv(matrix: pd.DataFrame) -> str:
    """The matrix as CSV, with all columns and digits."""
    return str(matrix.to_csv(lineterminator="\n"))


def is_share(metric: str) -> bool:
    """Whether a metric is a fraction in [0, 1], which is shown in percent."""
    return metric.endswith(("error", "accuracy"))


def unit(metric: str) -> str:
    """The unit to append to a metric's name; empty if it has none."""
    return ", %" if is_share(metric) else ""


def shown(value: float, metric: str) -> str:
    """A value as readable text; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{100 * value:.2f}" if is_share(metric) else f"{value:.4g}"


def signed(value: float, metric: str) -> str:
    """A difference as readable text, with its sign."""
    return f"{'-' if value < 0 else '+'}{shown(abs(value), metric)}"
