"""What a matrix carries, in words."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dashboards.comparison import compare
from dashboards.verdicts import _unanswered, answer, limits, verdict_table


@pytest.fixture
def compared() -> pd.DataFrame:
    """Errors of five rows over five seeds; float is lower, one row lacks a seed."""
    source = np.random.default_rng(1)
    values = 0.03 + source.normal(0, 0.002, (5, 5))
    values[0] -= 0.02
    values[4, 0] = np.nan
    columns = ["mean", "std", "n", "best", *(f"seed {number}" for number in range(5))]
    rows = ["float", "binary", "forward", "reverse", "132"]
    frame = pd.DataFrame(np.hstack([np.zeros((5, 4)), values]), index=rows, columns=columns)
    frame.index.name = "order"
    frame.attrs = {
        "metric": "selected/test_error", "better": "lower", "control": "binary",
        "controls": ["binary", "float"], "margin": 1.0, "planned": 5,
    }  # fmt: skip
    return frame


def _answer(matrix: pd.DataFrame) -> str:
    return answer(matrix, compare(matrix))


def _limits(matrix: pd.DataFrame) -> list[str]:
    return limits(matrix, compare(matrix))


def _text(matrix: pd.DataFrame) -> str:
    console = Console(record=True, width=100, file=io.StringIO())
    table = verdict_table(matrix, compare(matrix))
    assert table is not None
    console.print(table)
    return console.export_text()


def test_each_row_has_a_difference_and_a_verdict(compared: pd.DataFrame) -> None:
    lines = {line.split()[0]: line for line in _text(compared).splitlines() if line.strip()}
    assert "minus binary [95 %], %" in lines["order"]
    assert "differs from binary; not worse by more than 1.00 points" in lines["float"]
    assert lines["float"].split()[1] == "-2.00"
    assert "cannot be told apart from binary; not worse" in lines["reverse"]
    assert "no verdict: 4 of 5 seeds" in lines["132"]
    assert "binary" not in lines


def test_rows_that_are_missing_are_said_first(compared: pd.DataFrame) -> None:
    assert not any("No cell is finished" in line for line in _limits(compared))
    compared.attrs["missing"] = ["231", "312"]
    said = "No cell is finished of 231, 312; `status` says why."
    assert _limits(compared)[0] == said
    compared.attrs["control"] = None
    assert _limits(compared)[0] == said
    compared.attrs["missing"] = [str(number) for number in range(22)]
    assert "18, 19 and 2 more;" in _limits(compared)[0]


def test_only_what_is_told_apart_is_bold(compared: pd.DataFrame) -> None:
    table = verdict_table(compared, compare(compared))
    assert table is not None
    assert [row.style for row in table.rows] == ["bold", None, None, None]


def test_the_answer_waits_for_all_rows(compared: pd.DataFrame) -> None:
    question = "Do the 3 values of order differ?"
    assert _answer(compared) == f"{question} No answer before all 5 seeds of each are finished."
    whole = compared.fillna(0.03)
    whole.attrs = compared.attrs
    line = _answer(whole)
    assert line.startswith("Do the 3 values of order differ? Friedman test: p = 0.")
    assert line.endswith("; this study cannot tell.")
    for number, row in enumerate(("forward", "reverse", "132")):
        whole.loc[row, [f"seed {seed}" for seed in range(5)]] = number + np.arange(5) / 10
    told = "p < 0.001; the rows other than controls differ by order."
    assert _answer(whole).endswith(told)


@pytest.mark.parametrize(("num", "said"), [(1, "One seed"), (2, "2 seeds"), (5, "Their values")])
def test_too_few_or_equal_seeds_cannot_tell(num: int, said: str, compared: pd.DataFrame) -> None:
    whole = compared.fillna(0.03)
    whole.attrs = compared.attrs | {"planned": num}
    whole["n"] = num
    assert _unanswered(whole, 3) == f"{said} cannot tell."


def test_limits_are_said_in_points(compared: pd.DataFrame) -> None:
    first, second, third = _limits(compared)
    assert first.startswith("5 seeds show differences of about 0.")
    assert " points in 4 of 5 studies; half of that would take " in first
    assert second.startswith("Seeds share ")
    assert third.startswith("The best of 5 equal rows would look 0.")


def test_a_study_that_names_no_control_has_no_words(compared: pd.DataFrame) -> None:
    compared.attrs["control"] = None
    assert (
        _answer(compared),
        verdict_table(compared, compare(compared)),
        _limits(compared),
    ) == ("", None, [])


def test_seeds_that_were_added_after_a_look_lower_the_level(compared: pd.DataFrame) -> None:
    compared.attrs["looks"] = [3]
    assert "minus binary [98.75 %], %" in _text(compared)
    expected = "Seeds were added after a look at 3: level 0.0125 instead of 0.05."
    assert _limits(compared)[0] == expected
    compared.attrs["looks"] = [2, 3]
    assert "look at 2 and 3: level 0.003125 instead" in _limits(compared)[0]


def test_images_are_counted_where_the_errors_tell(compared: pd.DataFrame) -> None:
    assert not any("images" in line for line in _limits(compared))
    whole = (compared * 360).round() / 360
    whole.attrs = compared.attrs
    (line,) = (line for line in _limits(whole) if "images" in line)
    assert line.startswith("All rows see the same 360 images: one is 0.28 points; as many others")
    assert line.endswith("would move 2.59 by 0.84.")


def _only(matrix: pd.DataFrame, *rows: str) -> pd.DataFrame:
    some = matrix.loc[list(rows)]
    some.attrs = matrix.attrs
    return some


def test_too_few_rows_for_one_test_are_said_to_be(compared: pd.DataFrame) -> None:
    two = _only(compared, "float", "binary", "forward", "reverse")
    question = "Do the 2 values of order differ?"
    assert _answer(two) == (
        f"{question} Too few for one test of all; each is compared with binary."
    )
    one = _only(compared, "float", "binary", "forward")
    assert _answer(one) == ("One value of order beside the controls; it is compared with binary.")


def test_controls_alone_have_no_answer(compared: pd.DataFrame) -> None:
    assert _answer(_only(compared, "float", "binary")) == ""
