"""Prints tables that fit: long labels are folded over several lines, numbers are never cut."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

READABLE = 24
"""Characters of a label that headings are folded for."""
FEWEST = 8
"""Characters of a label or heading in one line if there is no room for more."""


def print_table(console: Console, table: Table) -> None:
    """Prints a table in full.

    Columns with `overflow="fold"` hold labels. If the table is too wide, long labels are folded,
    then headings unless their column has `no_wrap`, then shorter labels. If that is not enough,
    the lines are longer than the console is wide.

    Args:
        console: The console to print to.
        table: The table; the widths of its columns are set.
    """
    widths = [_most(console, column) for column in table.columns]
    around = _natural_width(console, table) - sum(widths)
    for folds_labels, fewest in ((True, READABLE), (False, FEWEST), (True, FEWEST)):
        least = [
            _least(console, column, fewest) if _is_label(column) == folds_labels else width
            for column, width in zip(table.columns, widths, strict=True)
        ]
        widths = _narrowed(widths, least, console.width - around)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
        if not column.no_wrap:
            column.overflow = "fold"
    table.width = sum(widths) + around
    console.print(table, crop=False)


def print_matrix(console: Console, matrix: "pd.DataFrame") -> None:
    """Prints a matrix: what it answers, its rows, each row against the control, and its limits.

    Args:
        console: The console to print to.
        matrix: The result of `result_matrix`.
    """
    from dashboards.comparison import compare
    from dashboards.report import matrix_table, matrix_title
    from dashboards.verdicts import answer, limits, verdict_table

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    found = compare(matrix)
    if line := answer(matrix, found):
        say(line)
    say(matrix_title(matrix))
    print_table(console, matrix_table(matrix, console))
    if (verdicts := verdict_table(matrix, found)) is not None:
        print_table(console, verdicts)
    for line in limits(matrix, found):
        say(line)


def _narrowed(widths: list[int], least: list[int], room: int) -> list[int]:
    """The widths, made smaller where most is to spare until they fit or are the least."""
    narrow = list(widths)
    while sum(narrow) > room:
        spare = [width - fewest for width, fewest in zip(narrow, least, strict=True)]
        if max(spare) <= 0:
            break
        narrow[spare.index(max(spare))] -= 1
    return narrow


def _is_label(column: Column) -> bool:
    return column.overflow == "fold"


def _natural_width(console: Console, table: Table) -> int:
    """The width of the table if nothing is folded, with its lines and the blanks between."""
    roomy = console.options.update(width=100_000)
    return console.measure(table, options=roomy).maximum


def _most(console: Console, column: Column) -> int:
    return max(_measured(console, part).maximum for part in (column.header, *column.cells))


def _least(console: Console, column: Column, fewest: int) -> int:
    """The width below which a label would be hard to read, or a number cut."""
    if column.no_wrap:
        return _most(console, column)
    if _is_label(column):
        return min(fewest, _most(console, column))
    word = min(fewest, _measured(console, column.header).minimum)
    return max([word, *(_measured(console, cell).maximum for cell in column.cells)])


def _measured(console: Console, part: object) -> Measurement:
    roomy = console.options.update(width=100_000)
    return Measurement.get(console, roomy, part)  # type: ignore[arg-type]
