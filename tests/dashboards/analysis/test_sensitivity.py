"""What one binary layer alone costs."""

import math
from collections.abc import Callable

import pytest

from dashboards.analysis.sensitivity import ascending, sensitivity
from dashboards.analysis.trials import ViewError
from dashboards.chosen import chosen
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]


def test_layers_are_ranked_by_their_best_rate(
    single_layers: StudySpec, make_runs: MakeRuns
) -> None:
    errors = {"1 0.1": 0.5, "1 0.02": 0.25, "2 0.1": 0.125, "2 0.02": 0.75, "3 0.1": 0.25}
    runs = make_runs(errors, single_layers)
    found = sensitivity(runs, chosen(runs))
    assert found.ascending == ("2", "1", "3")
    assert found.descending == ("3", "1", "2")
    assert found.best == {"1": ("0.02", 0.25), "2": ("0.1", 0.125), "3": ("0.1", 0.25)}
    assert found.names == {"1": "fc1", "2": "fc2", "3": "fc3"}
    assert list(found.table.columns) == ["0.1", "0.02"]
    assert found.table.loc["2"].tolist() == [0.125, 0.75]
    assert math.isnan(found.table.loc["3", "0.02"])
    assert found.missing == ()


def test_a_layer_without_a_finished_cell_is_missing(
    single_layers: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs({"1 0.1": 0.5, "1 0.02": 0.25, "3 0.02": 0.1}, single_layers)
    found = sensitivity(runs, chosen(runs))
    assert (found.ascending, found.missing) == (("3", "1"), ("2",))
    assert list(found.table.index) == ["1", "2", "3"]


def test_of_accuracies_the_highest_is_the_least_sensitive() -> None:
    assert ascending({"a": 0.5, "b": 0.75, "c": 0.5}, "higher") == ("b", "a", "c")


def test_rows_that_are_no_single_layers_have_no_sensitivity(make_runs: MakeRuns) -> None:
    runs = make_runs({"float 1": 0.25, "forward 1": 0.5})
    with pytest.raises(ViewError, match="tiny lacks rows of which each turns one other layer"):
        sensitivity(runs, chosen(runs))
