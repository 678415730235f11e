"""The note of a study on MLflow's pages: the answer in its first line, and the matrix."""

import math
from collections.abc import Sequence

import pandas as pd

from dashboards.comparison import Comparison, compare
from dashboards.matrix import STATISTICS, lines_of
from dashboards.report import matrix_title, shown, unit
from dashboards.verdicts import answer, confidence, difference, limits, verdict

LONGEST = 20_000
"""Most characters of an experiment's note; MLflow refuses a longer one."""


def study_note(matrix: pd.DataFrame, question: str = "", *, longest: int = LONGEST) -> str:
    """The note as Markdown. MLflow shows its first line above the runs, the rest when opened.

    What does not fit is left out: single values first, then the last rows.

    Args:
        matrix: The result of `result_matrix`.
        question: The study's question; the first line of a study that names no control.
        longest: Most characters.
    """
    found = compare(matrix)
    first = answer(matrix, found) or question
    for with_cells in (True, False):
        note = _note(matrix, found, first, list(matrix.index), with_cells=with_cells)
        if len(note) <= longest:
            return note
    few, many = 0, len(matrix)
    while many - few > 1:
        middle = (few + many) // 2
        note = _note(matrix, found, first, list(matrix.index[:middle]), with_cells=False)
        few, many = (middle, many) if len(note) <= longest else (few, middle)
    return _note(matrix, found, first, list(matrix.index[:few]), with_cells=False)[:longest]


def _note(
    matrix: pd.DataFrame,
    found: Comparison | None,
    first: str,
    rows: Sequence[str],
    *,
    with_cells: bool,
) -> str:
    left_out = len(matrix) - len(rows)
    more = [f"... and {left_out:,} more rows: see matrix.csv of the study's run."] * bool(left_out)
    parts = [
        first,
        f"**{_safe(matrix_title(matrix))}**",
        markdown_table(matrix, rows, with_cells=with_cells),
        *more,
        *_verdicts(matrix, found, rows),
        *limits(matrix, found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(
    matrix: pd.DataFrame, rows: Sequence[str] | None = None, *, with_cells: bool = True
) -> str:
    """The matrix as a Markdown table; errors and accuracies in percent.

    Args:
        matrix: The result of `result_matrix`.
        rows: Only these rows; None: all.
        with_cells: Show the value of each cell.
    """
    metric = str(matrix.attrs["metric"])
    best = "lowest" if matrix.attrs["better"] == "lower" else "highest"
    singles = [name for name in matrix.columns if name not in STATISTICS] if with_cells else []
    lines, known = [], lines_of(matrix)
    for row in known if rows is None else rows:
        values = known[row]
        spread = "" if math.isnan(values["std"]) else f" ± {shown(values['std'], metric)}"
        numbers = (shown(values[name], metric) for name in ("best", *singles))
        mean = shown(values["mean"], metric) + spread
        lines.append([str(row), mean, f"{values['n']:.0f}", *numbers])
    head = [str(matrix.index.name), "mean ± std", "n", best, *map(str, singles)]
    return _table(head, lines)


def _verdicts(matrix: pd.DataFrame, found: Comparison | None, rows: Sequence[str]) -> list[str]:
    if found is None:
        return []
    metric = str(matrix.attrs["metric"])
    head = f"minus {found.control} [{confidence(found)}]{unit(metric)}"
    lines = [
        [one.row, difference(one, metric), verdict(one, found, metric)]
        for one in found.differences
        if one.row in rows
    ]
    return [_table([str(matrix.index.name), head, "verdict"], lines)]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(_safe(cell) for cell in row) + " |" for row in rows)


def _safe(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    line = " ".join(text.split())
    for letter in ("\\", "|", "*", "_", "`", "<", "["):
        line = line.replace(letter, f"\\{letter}")
    return line
