"""The results of a protocol as tables for a terminal."""

import math
from collections.abc import Mapping

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dashboards.report import shown, unit
from dashboards.stages import BINARY, FLOAT, GAPS, best_of

_CONTROLS = (FLOAT, BINARY)


def rates_table(table: pd.DataFrame) -> Table:
    """A table of row by learning rate, with the best value of each row in bold.

    Args:
        table: The result of `dashboards.stages.table_of`.
    """
    metric = str(table.attrs["metric"])
    shape = _table(str(table.index.name))
    for column in table.columns:
        shape.add_column(Text(f"{table.columns.name} {column}"), justify="right")
    best = best_of(table)
    for row in table.index:
        chosen = best.get(str(row), ("", math.nan))[0]
        values = (
            f"[bold]{shown(value, metric)}[/bold]"
            if str(label) == chosen
            else shown(value, metric)
            for label, value in table.loc[row].items()
        )
        shape.add_row(Text(str(row)), *values)
    return shape


def networks_table(
    matrices: Mapping[str, pd.DataFrame], rates: Mapping[str, Mapping[str, str]]
) -> Table:
    """A table of method and order by network; a single network gets all statistics.

    A row is bold if it was told apart from the control that its study names.

    Args:
        matrices: Network to the result of `dashboards.stages.full_matrix`.
        rates: Network to the learning rate of each row.
    """
    if len(matrices) == 1:
        ((network, matrix),) = matrices.items()
        return _one(matrix, rates[network])
    shape = _table("method")
    for network in matrices:
        shape.add_column(escape(network), justify="right", no_wrap=True)
    rows = dict.fromkeys(str(row) for matrix in matrices.values() for row in matrix.index)
    for row in sorted(rows, key=lambda row: row not in _CONTROLS):
        shape.add_row(escape(str(row)), *(_entry(matrix, row) for matrix in matrices.values()))
    return shape


def table_title(table: pd.DataFrame) -> str:
    """The line above a table: study, metric and unit."""
    metric = str(table.attrs["metric"])
    return f"{table.attrs['title']}: {metric}{unit(metric)}"


def _one(matrix: pd.DataFrame, rates: Mapping[str, str]) -> Table:
    metric = str(matrix.attrs["metric"])
    shape = _table("method")
    gaps = [name for name in GAPS.values() if name in matrix.columns]
    best = "lowest" if matrix.attrs["better"] == "lower" else "highest"
    heads = ["lr", "mean ± std", "n", best, *(name.replace("_", " ") for name in gaps)]
    for head in heads:
        shape.add_column(head, justify="right", no_wrap=True)
    for row in matrix.index:
        line = matrix.loc[row]
        shape.add_row(
            Text(str(row)),
            Text(rates.get(str(row), "")),
            _mean(line, metric),
            f"{line['n']:.0f}",
            shown(line["best"], metric),
            *(_signed(line[name], metric) for name in gaps),
            style="bold" if str(row) in matrix.attrs["told_apart"] else None,
        )
    return shape


def _entry(matrix: pd.DataFrame, row: str) -> str:
    if row not in matrix.index:
        return ""
    line = matrix.T[row]
    text = f"{_mean(line, str(matrix.attrs['metric']))} ({line['n']:.0f})"
    return f"[bold]{text}[/bold]" if row in matrix.attrs["told_apart"] else text


def _mean(line: "pd.Series[float]", metric: str) -> str:
    spread = "" if math.isnan(line["std"]) else f" ± {shown(line['std'], metric)}"
    return shown(line["mean"], metric) + spread


def _signed(value: float, metric: str) -> str:
    return shown(value, metric) if not value > 0 else f"+{shown(value, metric)}"


def _table(corner: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(escape(corner), overflow="fold")
    return table
