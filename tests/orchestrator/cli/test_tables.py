"""Tables in terminals and pipes of any width."""

import io

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from dashboards.protocol_report import rates_table
from dashboards.report import matrix_table
from orchestrator.cli.tables import print_matrix, print_table

LONG = {"L" * 300: 0.0312345, "L" * 299 + "M": 0.5, "short": 0.25}


def _printed(table: Table, width: int, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="bnn-orchestrate.plainly")
    print_table(Console(file=file, width=width, legacy_windows=False), table)
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(encoding).splitlines()


def _matrix(labels: dict[str, float]) -> pd.DataFrame:
    rows = [[mean, 0.01, 12, mean] for mean in labels.values()]
    index = pd.Index(list(labels), name="order")
    matrix = pd.DataFrame(rows, index=index, columns=["mean", "std", "n", "best"])
    metric = "selected/test_error"
    matrix.attrs = {"metric": metric, "better": "lower", "also": {}, "title": "tiny"}
    return matrix


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_a_long_label_is_folded_and_every_number_stays(width: int, encoding: str) -> None:
    table = matrix_table(_matrix(LONG), Console(width=width, file=io.StringIO()))
    lines = _printed(table, width, encoding)
    text = "\n".join(lines)
    sign = "±" if encoding == "utf-8" else "+-"
    for number in (f"3.12 {sign} 1.00", f"50.00 {sign} 1.00", f"25.00 {sign} 1.00", "n", "lowest"):
        assert number in text
    assert sum("12 " in line and line.count("50.00") == 2 for line in lines) == 1
    assert (text.count("L"), text.count("M")) == (599, 1)
    assert "…" not in text
    if width >= 40 and encoding == "utf-8":
        # In ASCII, the sign takes one more.
        assert max(map(len, lines)) <= width


def test_the_numbers_stand_in_the_first_line_of_their_label() -> None:
    table = matrix_table(_matrix(LONG), Console(width=80, file=io.StringIO()))
    rows = [line.split() for line in _printed(table, 80) if "±" in line]
    assert [row[-1] for row in rows[1:]] == ["3.12", "50.00", "25.00"]


def test_a_table_that_fits_is_printed_as_it_is() -> None:
    table = matrix_table(_matrix({"forward 1-2": 0.5}), Console(width=80, file=io.StringIO()))
    plain = Console(width=80, file=io.StringIO())
    with plain.capture() as captured:
        plain.print(table)
    assert _printed(table, 80) == captured.get().splitlines()


def _said(matrix: pd.DataFrame) -> list[str]:
    file = io.StringIO()
    print_matrix(Console(file=file, width=80), matrix)
    return [line.strip() for line in file.getvalue().splitlines()]


def test_a_matrix_is_printed_with_what_it_answers_and_what_it_cannot() -> None:
    rows = {"float": 1, "binary": 3, "forward": 2, "reverse": 3.2, "132": 2.9}
    seeds = {
        f"seed {seed}": [(error + seed * (-1) ** place / 10) / 100 for place, error in
        enumerate(rows.values())]
        for seed in range(3)
    }  # fmt: skip
    matrix = _matrix(dict.fromkeys(rows, 0.02)).assign(**seeds)
    assert _said(matrix)[0] == "tiny: selected/test_error, %"
    assert not any("verdict" in line for line in _said(matrix))
    matrix.attrs |= {"control": "binary", "controls": ["float", "binary"]}
    matrix.attrs |= {"margin": None, "planned": 3}
    first, second, *rest = _said(matrix)
    assert first.startswith("Do the 3 values of order differ? Friedman test: p = ")
    assert second == "tiny: selected/test_error, %"
    assert any(line.startswith("float") and "differs from binary" in line for line in rest)
    assert rest[-4].startswith("3 seeds show differences of about ")
    assert rest[-3].startswith("Seeds share ")
    assert rest[-2].startswith("All rows see the same 1,000 images: ")
    assert rest[-1].startswith("The best of 5 equal rows would look ")


def test_a_long_label_of_a_heading_is_folded() -> None:
    columns = pd.Index(["0.1", "R" * 300], name="lr")
    rates = pd.DataFrame([[0.5, 0.25]], index=pd.Index(["float"], name="order"), columns=columns)
    rates.attrs = {"metric": "selected/validation_error", "better": "lower", "title": "tiny"}
    lines = _printed(rates_table(rates), 80)
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines if "50.00" in line] == [["float", "50.00", "25.00"]]
    assert sum(line.count("R") for line in lines) == 300


def test_headings_of_words_are_folded_before_short_labels() -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", overflow="fold")
    table.add_column("rough time unscaled", justify="right")
    table.add_row("digits-sensitivity", "12 min")
    lines = _printed(table, 30)
    assert lines[-1].split() == ["digits-sensitivity", "12", "min"]
    assert "12 min" in "\n".join(_printed(table, 20))
