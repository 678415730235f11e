"""A recorded cell that is trained again."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.curves import Curve
from dashboards.recorded_run import RecordedRun
from orchestrator.launch.metrics import curve_points
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.results.replay import Replayed, replay
from trainers import RunOptions, TrainSpec, run
from trainers.engine.result import EpochMetrics
from trainers.errors import SpecError

SPEC: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 4, 10]},
    "data": {"name": "digits", "batch_size": 512},
    "optimizer": {"name": "adam", "lr": 0.01},
    "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 1},
    "epochs": 3,
}
OPTIONS = RunOptions(device="cpu", num_threads=1)


@pytest.fixture(scope="module")
def recorded() -> RecordedRun:
    """As it is read from MLflow after a sweep."""
    done = run(TrainSpec.from_mapping(SPEC), options=OPTIONS)
    curves: dict[str, list[tuple[int, float]]] = {}
    for epoch in done.epochs:
        for name, value in curve_points(epoch).values.items():
            curves.setdefault(name, []).append((epoch.epoch, value))
    cell = RecordedCell(run_id="r", train=json.dumps(SPEC), weights_sha256=done.weights_sha256)
    return RecordedRun(study="tiny", cell=cell, curves=curves, environment={})


def _with(recorded: RecordedRun, curves: Mapping[str, Curve], **cell: str) -> RecordedRun:
    known = {"run_id": "r", "train": json.dumps(SPEC), **cell}
    return RecordedRun(
        study="tiny",
        cell=RecordedCell(**known),
        curves=curves,
        environment={},  # type: ignore[arg-type]
    )


def _replayed(recorded: RecordedRun) -> tuple[Replayed, list[bool]]:
    told: list[bool] = []

    def on_epoch(metrics: EpochMetrics, is_same: bool) -> None:
        assert metrics.epoch == len(told)
        told.append(is_same)

    def values(metrics: EpochMetrics) -> Mapping[str, float]:
        return curve_points(metrics).values

    return replay(recorded, values, options=OPTIONS, on_epoch=on_epoch), told


def test_the_same_bits_are_the_same(recorded: RecordedRun) -> None:
    done, told = _replayed(recorded)
    assert done.is_same
    assert (done.epochs, done.compared, done.apart) == (3, 3, ())
    assert done.weights == done.recorded_weights
    assert told == [True, True, True]


def test_training_ends_at_the_first_epoch_that_differs(recorded: RecordedRun) -> None:
    curves = {name: list(points) for name, points in recorded.curves.items()}
    curves["signs_flipped/fc2"][1] = (1, 0.5)
    curves["train/loss"][1] = (1, 7.0)
    curves["test/loss"][2] = (2, 7.0)
    done, told = _replayed(_with(recorded, curves))
    assert not done.is_same
    assert (done.epochs, done.weights) == (2, "")
    assert {one.name: one.recorded for one in done.apart} == {
        "signs_flipped/fc2": 0.5,
        "train/loss": 7.0,
    }
    assert done.layers == ("fc2",)
    assert told == [True, False]


def test_equal_curves_do_not_hide_other_weights(recorded: RecordedRun) -> None:
    done, _ = _replayed(_with(recorded, recorded.curves, weights_sha256="0" * 64))
    assert not done.apart
    assert not done.is_same


def test_epochs_that_are_not_recorded_are_not_compared(recorded: RecordedRun) -> None:
    done, _ = _replayed(_with(recorded, {"train/loss": recorded.curves["train/loss"][:1]}))
    assert (done.epochs, done.compared, done.is_same) == (3, 1, True)


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ({"train": ""}, "r: does not say what it trained"),
        ({"train": json.dumps(SPEC | {"epochs": 0})}, "r.epochs: must be"),
        ({}, "r: has neither a curve nor weights to compare with"),
    ],
)
def test_a_cell_that_cannot_be_replayed_is_refused(
    cell: dict[str, str], what: str, recorded: RecordedRun
) -> None:
    curves = recorded.curves if cell else {}
    with pytest.raises(SpecError, match=what):
        _replayed(_with(recorded, curves, **cell))
