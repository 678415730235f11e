"""What a matrix carries, in words: the study's question, each row against the control, limits."""

import math

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from dashboards.comparison import LEVEL, Comparison, Difference, compare
from dashboards.report import shown, signed, unit


def answer(matrix: pd.DataFrame) -> str:
    """The answer to the study's question in one line; empty if it names no control."""
    found = compare(matrix)
    if found is None or math.isnan(found.same):
        return ""
    axis = str(matrix.index.name)
    told = (
        f"the rows other than controls differ by {axis}"
        if found.same < LEVEL
        else "this study cannot tell"
    )
    chance = f"p = {found.same:.2g}" if found.same >= 0.001 else "p < 0.001"
    return f"Do the {found.num_compared} values of {axis} differ? Friedman test: {chance}; {told}."


def verdict_table(matrix: pd.DataFrame) -> Table | None:
    """Each row less the control, with one interval for all rows together, and a verdict.

    Args:
        matrix: The result of `result_matrix`; None is returned if its study names no control.
    """
    found = compare(matrix)
    if found is None:
        return None
    metric = str(matrix.attrs["metric"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(Text(str(matrix.index.name)), overflow="fold")
    table.add_column(Text(f"minus {found.control} [95 %]{unit(metric)}"), justify="right")
    table.add_column("verdict", overflow="fold")
    for one in found.differences:
        cells = (Text(one.row), interval(one, metric), Text(verdict(one, found, metric)))
        table.add_row(*cells, style="bold" if one.differs else None)
    return table


def verdict(one: Difference, found: Comparison, metric: str) -> str:
    """What the numbers say of a row, in words.

    Args:
        one: The row less the control.
        found: The whole comparison.
        metric: The matrix' metric.
    """
    return told(
        refusal=one.refusal,
        differs=one.differs,
        is_not_worse=one.is_not_worse,
        control=found.control,
        margin=found.margin,
        metric=metric,
    )


def told(
    *,
    refusal: str,
    differs: bool | None,
    is_not_worse: bool | None,
    control: str,
    margin: float | None,
    metric: str,
) -> str:
    """The words of a verdict; the arguments are those of a `Difference` and its `Comparison`."""
    if refusal:
        return f"no verdict: {refusal}"
    words = "differs from" if differs else "cannot be told apart from"
    text = f"{words} {control}"
    if is_not_worse and margin is not None:
        text += f"; not worse by more than {shown(margin, metric)}{_points(metric)}"
    return text


def limits(matrix: pd.DataFrame) -> list[str]:
    """What so many seeds can show, and what chance alone does; a sentence each.

    Args:
        matrix: The result of `result_matrix`; no sentence if its study names no control.
    """
    found = compare(matrix)
    if found is None:
        return []
    metric, lines = str(matrix.attrs["metric"]), []
    points, planned = _points(metric), matrix.attrs["planned"]
    if not math.isnan(found.smallest) and found.smallest > 0:
        lines.append(
            f"{planned} seeds show differences of about {shown(found.smallest, metric)}{points} "
            f"in 4 of 5 studies; half of that would take {found.num_seeds} seeds."
        )
    if not math.isnan(found.of_seeds):
        lines.append(f"Seeds share {found.of_seeds:.0%} of the spread within rows.")
    if not math.isnan(found.luck) and found.luck > 0:
        lines.append(
            f"The best of {len(matrix)} equal rows would look {shown(found.luck, metric)}{points} "
            "better than it is."
        )
    return lines


def interval(one: Difference, metric: str) -> str:
    """The difference with its interval, as text; without one if there is no verdict."""
    if math.isnan(one.mean):
        return "–"
    mean = signed(one.mean, metric)
    if one.refusal:
        return mean
    return f"{mean} [{signed(one.low, metric)}, {signed(one.high, metric)}]"


def _points(metric: str) -> str:
    return " points" if unit(metric) else ""
