"""The note of a study, for MLflow's pages."""

import pandas as pd
import pytest

from dashboards.note import LONGEST, markdown_table, study_note


@pytest.fixture
def compared(matrix: pd.DataFrame) -> pd.DataFrame:
    more = {"control": "float", "controls": ["float"], "margin": None, "planned": 2}
    matrix.attrs |= more
    return matrix


def test_the_table_is_in_percent_with_two_digits(matrix: pd.DataFrame) -> None:
    lines = markdown_table(matrix).splitlines()
    assert lines[0] == "| order | mean ± std | n | lowest | seed 1 | seed 10 |"
    assert lines[1].count("---") == 6
    assert lines[2] == "| float | 5.00 ± 1.00 | 2 | 4.00 | 4.00 | 6.00 |"
    assert lines[3] == "| forward | 3.12 | 1 | 3.12 | 3.12 | – |"
    assert len({line.count("|") for line in lines}) == 1


def test_a_label_with_markdown_in_it_stays_in_its_column(matrix: pd.DataFrame) -> None:
    odd = matrix.rename(index={"float": "a|b*<i>"}, columns={"seed 1": "seed |"})
    odd.attrs = matrix.attrs
    lines = markdown_table(odd).splitlines()
    assert lines[2].startswith(r"| a\|b\*\<i> | 5.00")
    assert r"| seed \| |" in lines[0]
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1


def test_the_first_line_is_the_answer_or_the_question(matrix: pd.DataFrame) -> None:
    assert study_note(matrix, "Does it?").splitlines()[0] == "Does it?"
    assert study_note(matrix).startswith("**tiny · 0.5 of the epochs: selected/test\\_error, %**")
    four = pd.concat([matrix, matrix.rename(index=lambda row: f"{row}2")])
    more = {"control": "float", "controls": ["float"], "margin": None, "planned": 2}
    four.attrs = matrix.attrs | more
    first = study_note(four, "Does it?").splitlines()[0]
    assert first.startswith("Do the 5 values of order differ? No answer before all 2 seeds")


def test_verdicts_follow_the_table(compared: pd.DataFrame) -> None:
    note = study_note(compared, "Does it?")
    assert "| order | minus float \\[95 %], % | verdict |" in note
    assert "| forward | -0.88 | no verdict: 1 of 2 seeds |" in note
    assert "**" not in note.split("verdict")[1]


def test_a_note_fits_what_mlflow_takes(compared: pd.DataFrame) -> None:
    many = pd.concat([compared] * 400)
    many.index = pd.Index([f"row {number}" for number in range(len(many))], name="order")
    many.attrs = compared.attrs | {"control": None}
    note = study_note(many, "Does it?")
    assert LONGEST - 200 < len(note) <= LONGEST
    assert "more rows: see matrix.csv of the study's run." in note
    assert "seed 10" not in note
    assert len(study_note(many, "x" * 500, longest=100)) <= 100
