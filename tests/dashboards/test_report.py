"""A matrix as text."""

import csv
import io
import math

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from dashboards.report import (
    MOST_COLUMNS,
    is_share,
    matrix_csv,
    matrix_table,
    matrix_title,
    shown,
    unit,
)

WIDE = Console(record=True, width=120, file=io.StringIO())


def _lines(table: Table, console: Console = WIDE) -> list[str]:
    console.print(table)
    return console.export_text().splitlines()


def _row(lines: list[str], name: str) -> str:
    [row] = [line for line in lines if line.strip().startswith(name)]
    return row


@pytest.mark.parametrize(
    ("metric", "share"),
    [
        ("selected/test_error", True),
        ("test/error", True),
        ("last/validation_accuracy", True),
        ("train/loss", False),
        ("last/epoch", False),
        ("error/count", False),
    ],
)
def test_errors_and_accuracies_are_shares(metric: str, share: bool) -> None:
    assert is_share(metric) == share
    assert unit(metric) == (", %" if share else "")


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (0.0312345, "test/error", "3.12"),
        (0.0312345, "train/loss", "0.03123"),
        (449.0, "last/epoch", "449"),
        (math.nan, "test/error", "–"),
        (math.nan, "train/loss", "–"),
    ],
)
def test_values_are_shown_as_people_read_them(value: float, metric: str, text: str) -> None:
    assert shown(value, metric) == text


def test_the_title_says_study_metric_and_unit(matrix: pd.DataFrame) -> None:
    assert matrix_title(matrix) == "tiny · 0.5 of the epochs: selected/test_error, %"


def test_a_table_shows_means_spreads_counts_and_single_cells(matrix: pd.DataFrame) -> None:
    lines = _lines(matrix_table(matrix, WIDE))
    row = " ".join(_row(lines, "float").split())
    assert row == "float 5.00 ± 1.00 2 4.00 4.00 6.00 1.235"
    assert _row(lines, "forward").split() == ["forward", "3.12", "1", "3.12", "3.12", "–", "–"]
    assert _row(lines, "reverse").split() == ["reverse", "–", "0", "–", "–", "–", "–"]
    assert "mean ± std" in "\n".join(lines)


def test_rows_stay_in_the_order_of_the_matrix(matrix: pd.DataFrame) -> None:
    text = "\n".join(_lines(matrix_table(matrix, WIDE)))
    assert text.index("float") < text.index("forward") < text.index("reverse")


@pytest.mark.parametrize(("better", "head"), [("lower", "lowest"), ("higher", "highest")])
def test_the_best_value_is_named_by_its_side_and_nothing_is_bold(
    matrix: pd.DataFrame, better: str, head: str
) -> None:
    matrix.attrs["better"] = better
    table = matrix_table(matrix, WIDE)
    assert [row.style for row in table.rows] == [None, None, None]
    assert head in "\n".join(_lines(table))


def test_a_matrix_of_single_values_shows_neither_spread_nor_columns_of_cells(
    matrix: pd.DataFrame,
) -> None:
    single = matrix.loc[["forward"]]
    single.attrs = matrix.attrs
    text = "\n".join(_lines(matrix_table(single, WIDE)))
    assert "±" not in text
    assert "std" not in text
    assert "lowest" not in text
    assert text.count("3.12") == 1


def test_too_many_cells_are_left_out_of_the_table(matrix: pd.DataFrame) -> None:
    for number in range(MOST_COLUMNS):
        matrix[f"seed {number}"] = 0.5
    text = "\n".join(_lines(matrix_table(matrix, WIDE)))
    assert "seed" not in text
    assert "5.00 ± 1.00" in text


@pytest.mark.parametrize(
    ("width", "shown_parts"), [(80, {"seed", "last"}), (48, {"last"}), (40, set())]
)
def test_what_does_not_fit_is_left_out_whole(
    matrix: pd.DataFrame, width: int, shown_parts: set[str]
) -> None:
    narrow = Console(record=True, width=width, file=io.StringIO())
    text = "\n".join(_lines(matrix_table(matrix, narrow), narrow))
    assert {part for part in ("seed", "last") if part in text} == shown_parts
    assert "5.00 ± 1.00" in text
    assert "…" not in text


def test_labels_with_brackets_are_shown_as_they_are(matrix: pd.DataFrame) -> None:
    names = {"float": "[fc1]", "forward": "[/fc1]", "reverse": ":smile:"}
    odd = matrix.rename(index=names, columns={"seed 1": "seed :snake:[b]"})
    odd.attrs = matrix.attrs
    text = "\n".join(_lines(matrix_table(odd, WIDE)))
    assert all(name in text for name in ("[fc1]", "[/fc1]", ":smile:", ":snake:[b]"))


def test_csv_holds_every_digit(matrix: pd.DataFrame) -> None:
    rows = list(csv.DictReader(io.StringIO(matrix_csv(matrix))))
    assert [row["order"] for row in rows] == ["float", "forward", "reverse"]
    assert float(rows[1]["mean"]) == 0.0312345
    assert rows[1]["std"] == rows[2]["mean"] == ""
    assert list(rows[0]) == ["order", "mean", "std", "n", "best", "seed 1", "seed 10"]
    assert "\r" not in matrix_csv(matrix)
