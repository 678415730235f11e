"""Reports on their way from worker to driver, and what they say of themselves."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from ray.tune.utils.util import flatten_dict

from orchestrator.launch.metrics import Series
from orchestrator.launch.report import EpochReport, GivenBack

REPORT = EpochReport(
    epoch=7,
    points=(Series(5, 1000, {"lr": 0.5}), Series(6, 2000, {"lr": 0.25})),
    summary=Series(6, 2000, {"selected/epoch": 5.0}),
    objective=0.125,
    inherited={"forward": 4, "order 132": 1},
    available=(2, 4),
    notes=("no room",),
    began_from=("stage 1: epoch 3",),
)


@pytest.mark.parametrize("weights", ["", "abc"])
def test_a_report_comes_through_tune_as_it_was(weights: str) -> None:
    report = replace(REPORT, weights_sha256=weights)
    plain = json.loads(json.dumps(report.to_plain()))
    result = plain | {"training_iteration": 3, "config": {"cell": "a"}}
    assert EpochReport.from_result(result) == report
    # As searchers are given it.
    assert EpochReport.from_result(flatten_dict(result)) == report
    assert report.is_last == bool(weights)


def test_tune_finds_what_it_compares_counts_and_ends_by() -> None:
    plain = REPORT.to_plain()
    assert (plain["objective"], plain["epoch"]) == (0.125, 7)
    assert "done" not in plain
    assert replace(REPORT, weights_sha256="abc").to_plain()["done"] is True


def test_a_value_that_is_no_number_comes_through() -> None:
    report = replace(REPORT, points=(Series(6, 2000, {"train/loss": math.nan}),))
    found = EpochReport.from_result(report.to_plain())
    assert found is not None
    assert math.isnan(found.points[0].values["train/loss"])


@pytest.mark.parametrize("result", [None, {}, {"done": True, "trial_id": "t"}])
def test_results_of_tunes_own_hold_no_report(result: Any) -> None:
    assert EpochReport.from_result(result) is None


def test_epochs_of_several_cells_are_counted_and_told_with_each() -> None:
    assert REPORT.num_inherited == 5
    assert REPORT.inherited_text == "4 epochs from forward, 1 epochs from order 132"
    alone = replace(REPORT, inherited={})
    assert (alone.num_inherited, alone.inherited_text) == (0, "")


def test_a_place_that_is_given_back_ends_tunes_trial_and_is_no_progress() -> None:
    given_back = GivenBack("no memory")
    plain = {**given_back.to_plain(), "trial_id": "t"}
    assert (plain["done"], plain["epoch"], plain["objective"]) == (True, 0, math.inf)
    assert GivenBack.from_result(flatten_dict(plain)) == given_back
    assert EpochReport.from_result(plain) is None
    for result in (None, {}, REPORT.to_plain()):
        assert GivenBack.from_result(result) is None
