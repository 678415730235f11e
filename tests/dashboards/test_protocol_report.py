"""What a protocol found, as a terminal shows it."""

import io
import math
from collections.abc import Mapping

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from dashboards.protocol_report import networks_table, rates_table, table_title
from dashboards.stages import with_gaps

NAN = math.nan


def _lines(table: Table) -> list[str]:
    """The rows as printed, runs of blanks made one."""
    console = Console(width=120, file=io.StringIO())
    with console.capture() as capture:
        console.print(table)
    lines = [" ".join(line.split()) for line in capture.get().splitlines()]
    return [line for line in lines if line.strip("─ ")]


def _cells(table: Table, row: int) -> list[str]:
    return [str(list(column.cells)[row]) for column in table.columns]


@pytest.fixture
def rates() -> pd.DataFrame:
    """As `table_of` returns it."""
    frame = pd.DataFrame(
        [[0.05, 0.0312345], [NAN, 0.25], [NAN, NAN]],
        index=pd.Index(["float", "forward", "[fc1]"], name="order"),
        columns=pd.Index(["0.1", "0.01"], name="lr"),
    )
    frame.attrs = {
        "title": "tiny · 0.5 of the epochs",
        "metric": "selected/validation_error",
        "better": "lower",
    }
    return frame


def _matrix(rows: Mapping[str, tuple[float, float, int, float]]) -> pd.DataFrame:
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "std", "n", "best"])
    frame.attrs = {"title": "net-full", "metric": "selected/test_error", "better": "lower"}
    return with_gaps(frame)


@pytest.fixture
def one() -> pd.DataFrame:
    return _matrix(
        {
            "float": (0.05, 0.01, 3, 0.04),
            "binary": (0.08, NAN, 1, 0.08),
            "ascend": (0.0625, 0.005, 3, 0.055),
            "descend": (NAN, NAN, 0, NAN),
        }
    )


@pytest.fixture
def two() -> pd.DataFrame:
    return _matrix({"binary": (0.2, 0.01, 2, 0.19), "213": (0.1, NAN, 1, 0.1)})


def test_rates_are_shown_row_by_row_in_per_cent(rates: pd.DataFrame) -> None:
    assert _lines(rates_table(rates)) == [
        "order lr 0.1 lr 0.01",
        "float 5.00 3.12",
        "forward – 25.00",
        "[fc1] – –",
    ]


def test_the_best_rate_of_each_row_is_bold(rates: pd.DataFrame) -> None:
    table = rates_table(rates)
    assert _cells(table, 0) == ["float", "5.00", "[bold]3.12[/bold]"]
    assert _cells(table, 1) == ["forward", "–", "[bold]25.00[/bold]"]
    assert "bold" not in "".join(_cells(table, 2))
    rates.attrs["better"] = "higher"
    assert _cells(rates_table(rates), 0) == ["float", "[bold]5.00[/bold]", "3.12"]


def test_the_title_says_study_metric_and_unit(rates: pd.DataFrame) -> None:
    assert table_title(rates) == "tiny · 0.5 of the epochs: selected/validation_error, %"
    rates.attrs["metric"] = "last/epoch"
    assert table_title(rates) == "tiny · 0.5 of the epochs: last/epoch"


def test_of_one_network_all_is_shown(one: pd.DataFrame) -> None:
    shown = networks_table({"net": one}, {"net": {"float": "0.1", "ascend": "0.01"}})
    assert _lines(shown) == [
        "method lr mean ± std n lowest gap to float gap to binary",
        "float 0.1 5.00 ± 1.00 3 4.00 0.00 -3.00",
        "binary 8.00 1 8.00 +3.00 0.00",
        "ascend 0.01 6.25 ± 0.50 3 5.50 +1.25 -1.75",
        "descend – 0 – – –",
    ]


def test_only_what_is_told_apart_from_the_control_is_bold(one: pd.DataFrame) -> None:
    assert [row.style for row in networks_table({"net": one}, {"net": {}}).rows] == [None] * 4
    one.attrs["told_apart"] = ["float", "ascend"]
    styles = [row.style for row in networks_table({"net": one}, {"net": {}}).rows]
    assert styles == ["bold", None, "bold", None]


def test_without_controls_there_are_no_gaps_in_the_table(two: pd.DataFrame) -> None:
    assert _lines(networks_table({"net": two}, {"net": {}})) == [
        "method lr mean ± std n lowest gap to binary",
        "binary 20.00 ± 1.00 2 19.00 0.00",
        "213 10.00 1 10.00 -10.00",
    ]
    bare = two.drop(columns="gap_to_binary")
    bare.attrs = two.attrs
    assert "gap" not in _lines(networks_table({"net": bare}, {"net": {}}))[0]


def test_several_networks_stand_beside_each_other_controls_first(
    one: pd.DataFrame, two: pd.DataFrame
) -> None:
    # The second network has no float control, the first no order 213.
    one.attrs["told_apart"], two.attrs["told_apart"] = ["ascend"], ["213"]
    table = networks_table({"b": two, "a": one}, {"a": {}, "b": {}})
    assert [column.header for column in table.columns] == ["method", "b", "a"]
    assert [list(column.cells) for column in table.columns] == [
        ["binary", "float", "213", "ascend", "descend"],
        ["20.00 ± 1.00 (2)", "", "[bold]10.00 (1)[/bold]", "", ""],
        ["8.00 (1)", "5.00 ± 1.00 (3)", "", "[bold]6.25 ± 0.50 (3)[/bold]", "– (0)"],
    ]


def test_rows_with_brackets_are_shown_as_they_are(two: pd.DataFrame) -> None:
    odd = two.rename(index={"213": "[/fc1]"})
    odd.attrs = two.attrs
    for matrices in ({"a": odd}, {"a": odd, "b": odd}):
        lines = _lines(networks_table(matrices, {"a": {}, "b": {}}))
        assert any(line.startswith("[/fc1] ") for line in lines)
