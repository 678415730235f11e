"""A sweep whose trials are trained by two processes each: the results of one process."""

import json
from typing import Any

import pytest

from orchestrator.launch.metrics import curve_points
from trainers import RunOptions, TrainSpec, run

pytestmark = pytest.mark.slow

TOGETHER = """\
study: together
question: Do two processes find what one finds?
base:
  model: {name: mlp, widths: [64, 16, 12, 10]}
  data: {name: digits, batch_size: 100}
  optimizer: {name: sgd, lr: 0.1}
  layers: {order: [fc1, fc2, fc3], epochs_per_layer: 1}
  precision: float64
  epochs: 3
  seed: 7
axes:
  - {name: order, sets: layers.order, values: {a: [fc1, fc2, fc3], b: [fc1, fc3, fc2]}}
metric: {name: selected/test_error}
matrix: {rows: order}
trial: {processes: 2}
"""


def test_two_processes_a_trial_find_what_one_finds(user: Any) -> None:
    done = user.runs("sweep", user.writes(TOGETHER, "together.yaml"))
    assert done.code == 0, done.err + done.out
    assert "at a time, each trained by 2 processes" in done.out
    cells = user.cells()
    assert sorted(cell.tags["bnn.label.order"] for cell in cells) == ["a", "b"]
    # One of the two begins with the epoch that the other one saved.
    assert [cell.tags["bnn.inherited"] for cell in cells if "bnn.inherited" in cell.tags] == [
        "1 epochs from a"
    ]
    for cell in cells:
        assert cell.tags["bnn.processes"] == "2"
        # Each step once.
        assert cell.num_rows == len(cell.points)
        spec = TrainSpec.from_mapping(json.loads(cell.tags["bnn.train"]))
        result = run(spec, options=RunOptions(device="cpu", num_threads=1))
        for metrics in result.epochs:
            for name, value in curve_points(metrics).values.items():
                if name != "epoch_s":
                    found = cell.points[name, metrics.epoch]
                    assert found == pytest.approx(value, abs=1e-9), name


def test_what_can_never_be_placed_is_refused_before_anything_starts(user: Any) -> None:
    path = user.writes(TOGETHER, "together.yaml")
    for flags, what in (
        (("--processes-per-trial", "1000"), "a trial asks for 1000 processes of 1 CPUs each, but"),
        (("--gpus-per-trial", "1"), "a trial of 2 processes needs 2 GPUs, one for each, or none"),
        (("--processes-per-trial", "0"), "--processes-per-trial must be 1 or more, got 0"),
        (("--processes-per-trial", "two"), "invalid int value: 'two'"),
    ):
        done = user.runs("sweep", path, *flags)
        assert done.code == 2, flags
        assert what in done.err
    assert not (user.home / "journal.db").exists()
