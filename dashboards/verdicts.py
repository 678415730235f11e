"""What a matrix carries, in words: the study's question, each row against the control, limits."""

import math

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from dashboards.comparison import FEWEST, LEVEL, Comparison, Difference
from dashboards.images import num_images
from dashboards.matrix import cell_values
from dashboards.report import is_share, shown, signed, unit
from orchestrator.mlflow_reader.near import some_of

FEWEST_ROWS = 3
"""Fewest rows, controls left out, that one test compares; as in `friedman`."""


def answer(matrix: pd.DataFrame, found: Comparison | None) -> str:
    """The answer to the study's question in one line; empty if it compares no row.

    One test of all rows needs three of them. With fewer, the line says where the answer is: in
    the verdicts on single rows.

    Args:
        matrix: The result of `result_matrix`.
        found: What `compare` makes of it.
    """
    if found is None or found.num_compared < 1:
        return ""
    axis = str(matrix.index.name)
    if found.num_compared < FEWEST_ROWS:
        return _of_few(axis, found)
    question = f"Do the {found.num_compared} values of {axis} differ?"
    if math.isnan(found.same):
        return f"{question} {_unanswered(matrix, found.num_compared)}"
    told = (
        f"the rows other than controls differ by {axis}"
        if found.same < found.level
        else "this study cannot tell"
    )
    return f"{question} {tested(found.same)}; {told}."


def _of_few(axis: str, found: Comparison) -> str:
    """Why no test of all rows answers, and what does."""
    if found.num_compared == 1:
        return f"One value of {axis} beside the controls; it is compared with {found.control}."
    question = f"Do the {found.num_compared} values of {axis} differ?"
    return f"{question} Too few for one test of all; each is compared with {found.control}."


def tested(same: float) -> str:
    """What the one test of a study's question says; as `Comparison.same`."""
    return f"Friedman test: {f'p = {same:.2g}' if same >= 0.001 else 'p < 0.001'}"


def _unanswered(matrix: pd.DataFrame, num_rows: int) -> str:
    """Why there is no answer yet."""
    planned = int(matrix.attrs["planned"])
    there = matrix["n"].drop(list(matrix.attrs["controls"]), errors="ignore")
    if len(there) < num_rows or there.min() < planned:
        return f"No answer before all {planned} seeds of each are finished."
    if planned >= FEWEST:
        return "Their values cannot tell."
    return "One seed cannot tell." if planned == 1 else f"{planned} seeds cannot tell."


def verdict_table(matrix: pd.DataFrame, found: Comparison | None) -> Table | None:
    """Each row less the control, with one interval for all rows together, and a verdict.

    Args:
        matrix: The result of `result_matrix`.
        found: What `compare` makes of it; None is returned if its study names no control.
    """
    if found is None:
        return None
    metric = str(matrix.attrs["metric"])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(Text(str(matrix.index.name)), overflow="fold")
    head = f"minus {found.control} [{confidence(found)}]{unit(metric)}"
    table.add_column(Text(head), justify="right")
    table.add_column("verdict", overflow="fold")
    for one in found.differences:
        cells = (Text(one.row), difference(one, metric), Text(verdict(one, found, metric)))
        table.add_row(*cells, style="bold" if one.differs else None)
    return table


def difference(one: Difference, metric: str) -> str:
    """A row less the control, with its interval if there is a verdict; a dash without a value."""
    return interval(one.mean, one.low, one.high, metric)


def interval(mean: float, low: float, high: float, metric: str) -> str:
    """A difference with its interval; a dash without a value.

    Args:
        mean: The difference; NaN: there is none.
        low: Lower end of its interval; NaN: there is none.
        high: Upper end.
        metric: The metric of both sides.
    """
    if math.isnan(mean):
        return "–"
    if math.isnan(low):
        return signed(mean, metric)
    return f"{signed(mean, metric)} [{signed(low, metric)}, {signed(high, metric)}]"


def confidence(found: Comparison) -> str:
    """How sure the intervals of all rows together are, in percent."""
    return f"{100 * (1 - found.level):.4g} %"


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


def limits(matrix: pd.DataFrame, found: Comparison | None) -> list[str]:
    """Which rows are missing, what so many seeds can show, and what chance alone does.

    Args:
        matrix: The result of `result_matrix`.
        found: What `compare` makes of it; its study names no control: None.

    Returns:
        A sentence each.
    """
    lines: list[str] = []
    if missing := matrix.attrs.get("missing"):
        lines.append(f"No cell is finished of {some_of(missing)}; `status` says why.")
    if found is None:
        return lines
    metric = str(matrix.attrs["metric"])
    points, planned = _points(metric), matrix.attrs["planned"]
    if found.looks:
        told = " and ".join(str(n) for n in found.looks)
        lines.append(
            f"Seeds were added after a look at {told}: level {found.level:.4g} instead of {LEVEL}."
        )
    if not math.isnan(found.smallest) and found.smallest > 0:
        lines.append(
            f"{planned} seeds show differences of about {shown(found.smallest, metric)}{points} "
            f"in 4 of 5 studies; half of that would take {found.num_seeds} seeds."
        )
    if not math.isnan(found.of_seeds):
        lines.append(f"Seeds share {found.of_seeds:.0%} of the spread within rows.")
    lines += _of_images(matrix)
    if not math.isnan(found.luck) and found.luck > 0:
        lines.append(
            f"The best of {len(matrix)} equal rows would look {shown(found.luck, metric)}{points} "
            "better than it is."
        )
    return lines


def _of_images(matrix: pd.DataFrame) -> list[str]:
    """What the choice of images makes of the spread, if the errors tell how many there were."""
    metric, values = str(matrix.attrs["metric"]), cell_values(matrix)
    images = num_images(values.ravel().tolist()) if is_share(metric) else None
    if images is None:
        return []
    mean = float(np.nanmean(values))
    spread = math.sqrt(mean * (1 - mean) / images)
    one = f"All rows see the same {images:,} images: one is {shown(1 / images, metric)} points"
    return [f"{one}; as many others would move {shown(mean, metric)} by {shown(spread, metric)}."]


def _points(metric: str) -> str:
    return " points" if unit(metric) else ""
