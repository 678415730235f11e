"""What all tickets have: scores, and the share that is kept by them."""

from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainers.binarize.attach import (
    baked,
    binarize_weights,
    binarizers,
    initialise_binarizers,
    set_binary,
)
from trainers.binarize.weights import make_weight_binarizer
from trainers.binarize.weights.scores import kept_by_share, num_kept
from trainers.errors import SpecError


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 400), keep=st.floats(0.01, 1.0), levels=st.integers(1, 5))
def test_exactly_the_share_is_kept_whatever_ties(size: int, keep: float, levels: int) -> None:
    source = torch.Generator().manual_seed(size)
    scores = torch.randint(0, levels, (size,), generator=source).float()
    kept = kept_by_share(scores, keep)
    assert int(kept.sum()) == num_kept(size, keep)
    assert 1 <= num_kept(size, keep) <= size
    if not kept.all():
        assert scores[kept].min() >= scores[~kept].max()
    # A GPU is not waited for; it keeps the very same weights.
    with mock.patch("trainers.binarize.weights.scores.waits_are_free", return_value=False):
        assert torch.equal(kept_by_share(scores.view(1, -1), keep), kept.view(1, -1))


def test_the_latent_weight_is_frozen_and_the_scores_are_trained() -> None:
    model = nn.Sequential(nn.Linear(6, 4, bias=False))
    binarize_weights(model, ["0"], "biprop")
    asked = {name: item.requires_grad for name, item in model.named_parameters()}
    assert asked == {
        "0.parametrizations.weight.original": False,
        "0.parametrizations.weight.0.scores": True,
    }


@pytest.mark.parametrize("name", ["biprop", "biprop_global", "biprop_sampled"])
def test_a_random_subnet_trains_no_scores(name: str) -> None:
    binarizer = make_weight_binarizer(name, torch.ones(3, 3), train_scores=False)
    assert not binarizer.scores.requires_grad


def test_scores_are_uniform_up_to_the_root_of_the_fan_in() -> None:
    model = nn.Sequential(nn.Conv2d(4, 50, 5))
    binarize_weights(model, ["0"], "biprop")
    initialise_binarizers(model, torch.Generator().manual_seed(3))
    [(_, binarizer)] = binarizers(model)
    first = binarizer.scores.detach().clone()
    assert first.abs().max() <= 0.1
    assert first.abs().max() > 0.0999
    assert first.mean().abs() < 0.003
    initialise_binarizers(model, torch.Generator().manual_seed(3))
    assert torch.equal(binarizer.scores, first)


@pytest.mark.parametrize("name", ["biprop", "biprop_global", "biprop_sampled"])
def test_a_ticket_can_be_baked(name: str) -> None:
    model = nn.Sequential(nn.Linear(6, 4, bias=False))
    binarize_weights(model, ["0"], name)
    set_binary(model, ["0"])
    weight = baked(model)[0].weight
    if name != "biprop_sampled":
        assert torch.equal(weight, model[0].weight)
    assert "0.weight" in baked(model).state_dict()


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.5])
@pytest.mark.parametrize("name", ["biprop", "biprop_global", "biprop_fixed"])
def test_a_share_outside_its_range_is_refused(name: str, keep: float) -> None:
    with pytest.raises(SpecError, match=r"keep: must be above 0 and at most 1.*prune_rate"):
        make_weight_binarizer(name, torch.ones(2, 2), keep=keep)
