"""What recorded cells trained."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from dashboards.analysis.trials import ViewError, trials_of
from dashboards.chosen import chosen
from dashboards.runs import StudyRuns

MakeRuns = Callable[..., StudyRuns]


def test_a_trial_says_what_turned_binary_and_when(make_runs: MakeRuns) -> None:
    runs = make_runs({"reverse 2": 0.25})
    (trial,) = trials_of(runs, chosen(runs))
    assert (trial.order, trial.epochs_per_layer, trial.binary_from) == (("fc2", "fc1"), 1, 1)
    assert (trial.row, trial.block, trial.rate, trial.value) == ("reverse", ("2",), 0.01, 0.25)
    assert trial.weights["name"] == "sign"
    assert "seed" not in trial.rest


@pytest.mark.parametrize("train", ["", "[]", '{"layers": 3}', '{"layers": {"order": "fc1"}}'])
def test_a_tag_that_was_changed_is_named(train: str, make_runs: MakeRuns) -> None:
    runs = make_runs({"reverse 2": 0.25})
    runs = runs.with_cells([replace(cell, train=train) for cell in runs.cells])
    with pytest.raises(ViewError, match=r"bnn.train of run run of reverse 2 was changed"):
        trials_of(runs, chosen(runs))
