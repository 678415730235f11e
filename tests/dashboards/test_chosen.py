"""Which cells a view shows."""

from collections.abc import Callable

import pytest

from dashboards.chosen import chosen
from dashboards.runs import NoResultsError, StudyRuns

MakeRuns = Callable[..., StudyRuns]


def test_cells_are_chosen_by_their_labels(make_runs: MakeRuns) -> None:
    runs = make_runs({"float 1": 0.25, "float 2": 0.5, "forward 1": 0.125})
    found = chosen(runs, where={"seed": "1"})
    assert [cell.run_id for cell in found.cells] == ["run of float 1", "run of forward 1"]
    assert (found.metric, found.better) == ("selected/test_error", "lower")
    assert chosen(runs, metric="selected/test_accuracy").better == "higher"
    with pytest.raises(NoResultsError, match="no finished cell of tiny has seed=7"):
        chosen(runs, where={"seed": "7"})
    with pytest.raises(NoResultsError, match=r"has the metric 'selected/tset'; known: last/test"):
        chosen(runs, metric="selected/tset")
