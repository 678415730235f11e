"""`results`: printed, or written to a file."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.home import Home
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec

pytestmark = pytest.mark.slow


def test_cells_are_printed_or_written(
    cli: Callable[..., Any],
    home: Home,
    study: StudySpec,
    record: Callable[..., None],
    tmp_path: Path,
) -> None:
    record(study, {"forward 1": 0.25, "float 2": 0.125})
    printed = cli("results", "tiny", "--home", str(home.root))
    assert printed.code == 0, printed.err
    rows = list(csv.DictReader(printed.out.splitlines()))
    assert {(row["cell"], row["order"], row["seed"]) for row in rows} == {
        ("forward · seed 1", "forward", "1"),
        ("float · seed 2", "float", "2"),
    }
    file = tmp_path / "deep" / "results.csv"
    written = cli("results", "tiny", "--home", str(home.root), "--csv", str(file))
    assert written.out == f"2 cells of tiny written to {file}\n"
    assert file.read_text() == printed.out


def test_a_study_without_results_is_told(cli: Callable[..., Any], home: Home) -> None:
    answer = cli("results", "nothing-yet", "--home", str(home.root))
    assert answer.code == 2
    assert "has no results of a study 'nothing-yet'" in answer.err
    assert answer.err.endswith("recorded: none yet\n")


def test_a_study_that_is_recorded_is_named_in_place_of_one_that_is_not(
    cli: Callable[..., Any], home: Home, study: StudySpec, record: Callable[..., None]
) -> None:
    record(study, {" ".join(cell.labels.values()): 0.25 for cell in expand(study)})
    for command in ("results", "matrix"):
        answer = cli(command, "tinny", "--home", str(home.root))
        assert answer.code == 2
        assert answer.err.endswith("did you mean 'tiny'? recorded: tiny\n")


def test_the_columns_may_be_those_of_a_papers_code(
    cli: Callable[..., Any], home: Home, study: StudySpec, record: Callable[..., None]
) -> None:
    record(study, {"forward 1": 0.25})
    printed = cli("results", "tiny", "--format", "biprop", "--home", str(home.root))
    [row] = csv.DictReader(printed.out.splitlines())
    assert (row["Name"], row["Best Test Top 1"]) == ("forward · seed 1", "")
    assert cli("results", "tiny", "--format", "biporp").code == 2
