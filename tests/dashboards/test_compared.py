"""Two recorded cells beside each other."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.compared import (
    curve_values,
    flips_by_layer,
    origin_differences,
    spec_differences,
    told_apart,
)
from dashboards.curves import Curve
from dashboards.recorded_run import RecordedRun
from orchestrator.mlflow_reader.cells import RecordedCell


def _run(
    train: Mapping[str, Any] | None = None,
    curves: Mapping[str, Curve] | None = None,
    environment: Mapping[str, Any] | None = None,
    commit: str = "",
) -> RecordedRun:
    return RecordedRun(
        study="tiny",
        cell=RecordedCell(run_id="r", train=json.dumps(train or {}), commit=commit),
        curves=curves or {},
        environment=environment or {},
    )


def test_only_what_differs_is_listed_by_key_path() -> None:
    one = {"optimizer": {"name": "adam", "lr": 0.1}, "layers": {"order": ["a", "b"]}, "epochs": 2}
    other = {"optimizer": {"name": "adam", "lr": 0.2, "eps": 1}, "layers": {"order": []}}
    found = spec_differences(_run(one), _run(other | {"epochs": 2}))
    assert found["one"].to_dict() == {
        "optimizer.lr": "0.1", "layers.order": "[a, b]", "optimizer.eps": "(default)",
    }  # fmt: skip
    assert found["other"].to_dict() == {
        "optimizer.lr": "0.2", "layers.order": "[]", "optimizer.eps": "1",
    }  # fmt: skip
    assert spec_differences(_run(one), _run(one)).empty


def test_packages_and_machine_are_compared_with_the_commit_of_the_cell() -> None:
    made = {"git_commit": "later", "python": "3.11", "packages": {"torch": "2.1"}, "gpus": ["H"]}
    one = _run(environment=made, commit="abc")
    other = _run(environment={**made, "packages": {"torch": "2.2"}, "gpus": []}, commit="abd")
    found = origin_differences(one, other)
    assert found["one"].to_dict() == {"commit": "abc", "torch": "2.1", "gpus": "[H]"}
    assert found["other"]["gpus"] == "[]"
    assert set(origin_differences(one, _run(commit="abc"))["other"]) == {"(not recorded)"}


def test_curves_part_in_the_first_epoch_in_which_both_have_a_point() -> None:
    def of(*values: float) -> RecordedRun:
        points = [(epoch, value) for epoch, value in enumerate(values) if value == value]
        return _run(curves={"test/error": points})

    one = of(0.5, 0.25, 0.125)
    assert told_apart(one, of(0.5, math.nan, 0.5, 0.1), "test/error") == "apart from epoch 3 on"
    assert told_apart(one, of(0.5, 0.25), "test/error") == "equal in 2 epochs"
    assert told_apart(one, _run(), "test/error") == "no epoch in common"
    values = curve_values(of(math.nan, 0.5), "test/error")
    assert math.isnan(values[0])
    assert values[1] == 0.5


def test_flips_are_means_over_epochs_by_layer() -> None:
    one = _run(curves={"signs_flipped/fc1": [(0, 0.5), (1, 0.25)], "near_zero/fc1": [(0, 1.0)]})
    other = _run(curves={"signs_flipped/fc2": [(0, 0.5)]})
    found = flips_by_layer(one, other)
    assert list(found.index) == ["fc1", "fc2"]
    assert found.loc["fc1", "one"] == pytest.approx(0.375)
    assert math.isnan(found.loc["fc1", "other"])
    assert flips_by_layer(_run(), _run()).empty
