"""Networks from the checkpoints of their trials."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers import (
    Callback,
    CheckpointPolicy,
    EpochMetrics,
    RunOptions,
    TrainResult,
    TrainSpec,
    run,
)
from trainers.binarize.attach import baked, binarizers
from trainers.build import load_splits
from trainers.engine.checkpoint import Policy
from trainers.engine.evaluate import evaluate
from trainers.losses import cross_entropy
from trainers.restore import restored

Spec = Callable[..., TrainSpec]


TICKET: dict[str, Any] = {"name": "biprop", "keep": 0.3}
GLOBAL: dict[str, Any] = {"name": "biprop_global", "keep": 0.3, "ramp_epochs": 3}


def _train(spec: TrainSpec, folder: Path, policy: Policy, *others: Callback) -> TrainResult:
    checkpoints = CheckpointPolicy(policy=policy, interval_s=0)
    return run(spec, others, options=RunOptions(checkpoint_dir=folder, checkpoints=checkpoints))


def _train_until(num_epochs: int, spec: TrainSpec, folder: Path) -> None:
    """Stops when that many epochs are trained, and kept."""

    class Stop(Exception):
        pass

    class Stopper:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            # An epoch is kept before anybody is told of it.
            if metrics.epoch + 1 == num_epochs:
                raise Stop("enough")

    with pytest.raises(Stop, match="enough"):
        _train(spec, folder, "last", Stopper())


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

    _train_until(2, spec, tmp_path)
    assert list(tmp_path.iterdir())
    assert restored(spec, tmp_path) is None
    _train_until(3, spec, tmp_path)
    found = restored(spec, tmp_path)
    assert found is not None
    assert found.epoch.epoch == 2


def test_a_ticket_denser_than_it_shall_be_in_the_end_does_not_count(
    make_spec: Spec, tmp_path: Path
) -> None:
    spec = make_spec(weights=GLOBAL, layers={"order": "all"})
    _train_until(3, spec, tmp_path)
    assert restored(spec, tmp_path) is None
    _train_until(4, spec, tmp_path)
    found = restored(spec, tmp_path)
    assert found is not None
    assert found.epoch.epoch == 3


@pytest.mark.parametrize("weights", [TICKET, GLOBAL], ids=["layer", "global"])
@pytest.mark.parametrize("policy", ["last", "best"])
def test_a_ticket_is_the_one_that_was_measured(
    weights: dict[str, Any], policy: Policy, make_spec: Spec, tmp_path: Path
) -> None:
    spec = make_spec(
        weights=weights,
        layers={"order": "all"},
        activations={"name": "approx_sign"},
        batch_norm={"learn": "none"},
    )
    result = _train(spec, tmp_path, policy)
    found = restored(spec, tmp_path)
    assert found is not None
    if policy == "last":
        assert found.weights_sha256 == result.weights_sha256
    splits = load_splits(spec.data.source, data_dir=tmp_path)
    scores = evaluate(
        found.model,
        splits.validation,
        loss=cross_entropy(),
        batch_size=spec.data.eval_batch_size,
        autocast=nullcontext(),
    )
    assert scores == found.epoch.validation
    assert found.epoch == (result.selected if policy == "best" else result.last)
    state = baked(found.model).state_dict()
    kept = torch.cat([state[f"{name}.weight"].flatten() != 0 for name in spec.layers.order])
    assert kept.float().mean().item() == pytest.approx(0.3, abs=0.001)
