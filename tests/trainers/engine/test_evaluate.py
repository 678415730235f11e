"""Scores over a split."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import baked, binarize_weights, latent_weights, set_binary
from trainers.data.splits import Split
from trainers.engine.evaluate import evaluate
from trainers.engine.result import Scores
from trainers.losses import cross_entropy
from trainers.models.mlp import Mlp


def _scores(model: nn.Module, split: Split, batch_size: int = 4) -> Scores:
    return evaluate(
        model, split, loss=cross_entropy(), batch_size=batch_size, autocast=nullcontext()
    )


@pytest.fixture
def mlp() -> Mlp:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Mlp(widths=[9, 6, 3])
        model(torch.randn(30, 9) * 2 + 1)
    return model


def test_scores_are_true_means_over_unequal_batches(
    mlp: Mlp, make_split: Callable[..., Split]
) -> None:
    split = make_split(10)
    logits = mlp.eval()(split.images)
    losses = -logits.log_softmax(1)[torch.arange(10), split.labels]
    correct = (logits.argmax(1) == split.labels).double()
    for batch_size in (1, 3, 4, 10, 100):
        scores = _scores(mlp, split, batch_size)
        assert scores.loss == pytest.approx(losses.mean().item(), rel=1e-6)
        assert scores.accuracy == correct.mean().item()
    assert 0 < scores.accuracy < 1


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_set_again_and_running_statistics_stay(
    training: bool, mlp: Mlp, make_split: Callable[..., Split]
) -> None:
    before = {name: tensor.clone() for name, tensor in mlp.state_dict().items()}
    mlp.train(training)
    _scores(mlp, make_split(9))
    assert mlp.training is training
    assert all(torch.equal(mlp.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_mode_is_set_again_after_a_failure(mlp: Mlp, make_split: Callable[..., Split]) -> None:
    def broken(logits: Tensor, labels: Tensor) -> Tensor:
        raise RuntimeError("no loss today")

    mlp.train()
    with pytest.raises(RuntimeError, match="no loss today"):
        evaluate(mlp, make_split(4), loss=broken, batch_size=2, autocast=nullcontext())
    assert mlp.training


def test_binary_layers_compute_with_the_sign_of_the_present_latent_weight(
    mlp: Mlp, make_split: Callable[..., Split]
) -> None:
    split = make_split(12)
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    set_binary(mlp, ["fc1"])
    first = _scores(mlp, split)
    latent = latent_weights(mlp)["fc1"]
    with torch.no_grad():
        latent.mul_(0.25)
    assert _scores(mlp, split) == first
    with torch.no_grad():
        latent.neg_()
    kept = latent.detach().clone()
    assert _scores(mlp, split) != first
    assert torch.equal(latent, kept)


def test_scores_are_bit_for_bit_those_of_the_baked_model(
    mlp: Mlp, make_split: Callable[..., Split]
) -> None:
    split = make_split(31)
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    for binary in ([], ["fc2"], ["fc1", "fc2"]):
        set_binary(mlp, binary)
        assert _scores(mlp, split, 7) == _scores(baked(mlp), split, 7)


def test_a_training_step_after_an_evaluation_still_has_a_gradient(
    mlp: Mlp, make_split: Callable[..., Split]
) -> None:
    # Binary weights are cached during an evaluation, without a graph; none may remain after it.
    split = make_split(6)
    binarize_weights(mlp, ["fc1"], "sign")
    set_binary(mlp, ["fc1"])
    _scores(mlp, split)
    mlp(split.images).sum().backward()
    assert latent_weights(mlp)["fc1"].grad is not None


def test_the_forward_pass_runs_under_autocast(mlp: Mlp, make_split: Callable[..., Split]) -> None:
    seen: list[bool] = []

    def watching(logits: Tensor, labels: Tensor) -> Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return cross_entropy()(logits, labels)

    evaluate(
        mlp,
        make_split(6),
        loss=watching,
        batch_size=3,
        autocast=torch.autocast("cpu", dtype=torch.bfloat16),
    )
    assert seen == [True, True]
    assert not torch.is_autocast_enabled("cpu")
