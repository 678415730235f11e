"""Trials in stages: each begins with the best weights of the stage before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers import CheckpointPolicy, RunOptions, TrainSpec, export_packed, load_packed, run
from trainers.build import build_task
from trainers.engine.fit import fit
from trainers.engine.latent import latent_state, weights_sha256
from trainers.engine.result import EpochMetrics
from trainers.restore import restored

MakeSpec = Callable[..., TrainSpec]
CPU = torch.device("cpu")
KEPT = CheckpointPolicy(policy="last", interval_s=0)
STAGES: dict[str, Any] = {
    "data": {"name": "digits", "batch_size": 300},
    "layers": {"order": ["fc1", "fc2", "fc3"]},
    "activations": {"name": "sign"},
    "epochs": 3,
    # Too fast, so that the last epoch is not the best one.
    "before": {
        "layers": {"order": []},
        "optimizer": {"name": "sgd", "lr": 30.0, "momentum": 0.9},
        "epochs": 4,
    },
}


def _options(folder: Path | None = None) -> RunOptions:
    return RunOptions(device="cpu", num_threads=1, checkpoint_dir=folder, checkpoints=KEPT)


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class _Stopping:
    def __init__(self, after: int) -> None:
        self.after = after
        self.heard: list[int] = []

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        self.heard.append(metrics.epoch)
        if metrics.epoch + 1 == self.after:
            raise KeyboardInterrupt


def test_a_stage_begins_with_the_best_weights_of_the_stage_before(
    tmp_path: Path, make_spec: MakeSpec
) -> None:
    spec = make_spec(**STAGES)
    result = run(spec, options=_options())
    assert spec.before is not None
    best = CheckpointPolicy(policy="best", interval_s=0)
    alone = RunOptions(device="cpu", num_threads=1, checkpoint_dir=tmp_path, checkpoints=best)
    first = run(spec.before, options=alone)
    assert first.selected is not first.last
    handed = restored(spec.before, tmp_path)
    assert handed is not None
    assert handed.epoch.epoch == first.selected.epoch
    weights = latent_state(handed.model.state_dict())
    task = build_task(spec, data_dir=tmp_path, device=CPU, weights=weights)
    with one_thread():
        second = fit(task)
    assert weights_sha256(task.model) == result.weights_sha256
    assert [metrics.epoch for metrics in result.epochs] == list(range(7))
    assert [m.train for m in result.epochs] == [m.train for m in (*first.epochs, *second)]
    assert (result.final_from, result.epochs_before) == (4, 4)
    assert result.selected.epoch >= 4
    assert result.best_on_test.epoch >= 4


@pytest.mark.parametrize("after", [2, 6])
def test_an_interruption_in_any_stage_changes_no_bit(
    tmp_path: Path, make_spec: MakeSpec, after: int
) -> None:
    spec = make_spec(**STAGES)
    whole = run(spec, options=_options())
    with pytest.raises(KeyboardInterrupt):
        run(spec, [_Stopping(after)], options=_options(tmp_path))
    again = _Stopping(100)
    assert run(spec, [again], options=_options(tmp_path)).weights_sha256 == whole.weights_sha256
    # Nothing is doubled or left out.
    assert again.heard == list(range(7))


def test_a_lost_best_checkpoint_costs_time_and_no_bit(tmp_path: Path, make_spec: MakeSpec) -> None:
    spec = make_spec(**STAGES)
    whole = run(spec, options=_options())
    with pytest.raises(KeyboardInterrupt):
        run(spec, [_Stopping(4)], options=_options(tmp_path))
    for file in (tmp_path / "before").glob("best-*"):
        file.unlink()
    notes: list[str] = []
    result = run(spec, options=_options(tmp_path), note=notes.append)
    assert result.weights_sha256 == whole.weights_sha256
    lost = "the best checkpoint of the stage before is lost; the stage is trained again"
    assert notes == [lost]


def test_three_stages_end_in_a_network_that_is_exported_to_the_same_logits(
    tmp_path: Path, make_spec: MakeSpec
) -> None:
    # As trick 16 has it: leaky clip, hard clip, and then the sign.
    clips = {"activations": {"name": "leaky_clip"}, "epochs": 1}
    before = {"activations": {"name": "hard_clip"}, "layers": {"order": []}, "before": clips}
    spec = make_spec(**{**STAGES, "epochs": 2, "before": {**before, "epochs": 2}})
    assert [stage.epochs for stage in spec.stages] == [1, 2, 2]
    result = run(spec, options=_options(tmp_path / "kept"))
    assert [len(metrics.binary) for metrics in result.epochs] == [0, 0, 0, 3, 3]
    export_packed(result.model, tmp_path / "network.safetensors")
    images = torch.randn(5, 1, 8, 8)
    loaded = load_packed(tmp_path / "network.safetensors")
    assert torch.equal(loaded(images), result.model.eval()(images))
    found = restored(spec, tmp_path / "kept")
    assert found is not None
    assert found.epoch.epoch == 4
