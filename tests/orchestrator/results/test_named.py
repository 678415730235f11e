"""A recorded cell, by the id of its run or as the best of a study."""

from pathlib import Path

import pytest

from dashboards.runs import NoResultsError
from orchestrator.home import Home
from orchestrator.results.named import run_id_of


def test_the_id_of_a_run_is_taken_as_it_is(tmp_path: Path) -> None:
    assert run_id_of("abc", Home.at(tmp_path / "none")) == "abc"
    assert not (tmp_path / "none").exists()


def test_there_is_no_best_cell_without_results(tmp_path: Path) -> None:
    with pytest.raises(NoResultsError, match="there are no results in"):
        run_id_of("best:tiny", Home.at(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
