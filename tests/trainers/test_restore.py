"""Networks from the checkpoints of their trials."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainers import CheckpointPolicy, RunOptions, TrainResult, TrainSpec, run
from trainers.binarize.attach import binarizers
from trainers.engine.checkpoint import Policy
from trainers.restore import restored

Spec = Callable[..., TrainSpec]


def _train(spec: TrainSpec, folder: Path, policy: Policy) -> TrainResult:
    checkpoints = CheckpointPolicy(policy=policy, interval_s=0)
    return run(spec, options=RunOptions(checkpoint_dir=folder, checkpoints=checkpoints))


def test_the_last_network_is_the_one_that_was_trained(make_spec: Spec, tmp_path: Path) -> None:
    spec = make_spec()
    result = _train(spec, tmp_path, "last")
    found = restored(spec, tmp_path)
    assert found is not None
    assert (found.which, found.epoch.epoch) == ("last", 4)
    assert found.weights_sha256 == result.weights_sha256
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(found.model(images), result.model.eval()(images))
    assert not found.model.training
    assert all(step.enabled for _, step in binarizers(found.model))


def test_the_best_network_comes_first_where_it_was_kept(make_spec: Spec, tmp_path: Path) -> None:
    spec = make_spec(optimizer={"name": "adam", "lr": 0.3}, epochs=8)
    result = _train(spec, tmp_path, "best")
    found = restored(spec, tmp_path)
    assert found is not None
    assert found.which == "best"
    assert found.epoch == result.selected
    assert found.epoch.epoch >= result.final_from


def test_a_network_in_double_precision_stays_in_it(make_spec: Spec, tmp_path: Path) -> None:
    spec = make_spec(precision="float64")
    result = _train(spec, tmp_path, "last")
    found = restored(spec, tmp_path)
    assert found is not None
    assert found.weights_sha256 == result.weights_sha256
    assert next(found.model.parameters()).dtype == torch.float64


def test_nothing_is_found_where_nothing_was_kept(make_spec: Spec, tmp_path: Path) -> None:
    _train(make_spec(), tmp_path, "none")
    assert restored(make_spec(), tmp_path) is None


@pytest.mark.parametrize("changes", [{"seed": 8}, {"epochs": 6}])
def test_another_trial_finds_nothing(
    changes: dict[str, int], make_spec: Spec, tmp_path: Path
) -> None:
    _train(make_spec(), tmp_path, "last")
    assert restored(make_spec(**changes), tmp_path) is None


def test_a_network_whose_layers_are_not_all_binary_yet_does_not_count(
    make_spec: Spec, tmp_path: Path
) -> None:
    spec = make_spec()

    class Stop(Exception):
        pass

    class Stopper:
        def on_epoch_end(self, metrics: object) -> None:
            self.seen = getattr(self, "seen", 0) + 1
            if self.seen == 2:
                raise Stop("enough")

    options = RunOptions(
        checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="last", interval_s=0)
    )
    with pytest.raises(Stop, match="enough"):
        run(spec, [Stopper()], options=options)
    assert list(tmp_path.iterdir())
    assert restored(spec, tmp_path) is None
