"""Tickets: what is kept, what scales it, and what is trained."""

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
from trainers.binarize.weights.biprop import kept_by_share, num_kept
from trainers.errors import SpecError


def _with_scores(name: str, scores: list[float], latent: list[float], **options: object) -> object:
    weight = torch.tensor([latent])
    binarizer = make_weight_binarizer(name, weight, **options)
    binarizer.scores.data.copy_(torch.tensor([scores]))
    return binarizer(weight).detach().flatten().tolist()


def test_the_largest_scores_are_kept_with_the_mean_of_their_weights() -> None:
    kept = _with_scores("biprop", [0.1, -0.9, 0.5, 0.2], [1.0, -2.0, 4.0, 8.0], keep=0.5)
    assert kept == [0.0, -3.0, 3.0, 0.0]


def test_the_published_scale_divides_by_what_the_share_truncates_to() -> None:
    latent = [1.0, 2.0, 3.0, 4.0, 5.0]
    scores = [0.5, 0.4, 0.3, 0.2, 0.1]
    # int(0.5 * 5) is 2, and 3 are kept.
    assert _with_scores("biprop", scores, latent, keep=0.5) == [2.0, 2.0, 2.0, 0.0, 0.0]
    published = _with_scores("biprop", scores, latent, keep=0.5, published_alpha=True)
    assert published == [3.0, 3.0, 3.0, 0.0, 0.0]


def test_all_is_kept_at_a_share_of_one() -> None:
    assert _with_scores("biprop", [0.0, 0.0], [1.0, -3.0], keep=1.0) == [2.0, -2.0]


def test_a_tiny_share_keeps_the_best_weight() -> None:
    assert _with_scores("biprop", [0.1, 0.2], [1.0, -3.0], keep=1e-9) == [0.0, -3.0]


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


def test_a_threshold_of_zero_keeps_what_has_a_score() -> None:
    kept = _with_scores("biprop_global", [0.0, 0.1, -0.1], [1.0, 2.0, -4.0])
    assert kept == [0.0, 3.0, -3.0]


def test_a_layer_below_the_threshold_keeps_its_best_weight() -> None:
    kept = _with_scores("biprop_global", [0.1, 0.3, -0.2], [1.0, 2.0, -4.0], threshold=0.5)
    assert kept == [0.0, 2.0, 0.0]


def test_a_collapsed_layer_is_not_a_number_as_published() -> None:
    latent = torch.ones(1, 3)
    collapsed = make_weight_binarizer("biprop_global", latent, threshold=9.0, published_alpha=True)
    assert collapsed(latent).isnan().all()


def test_a_sampled_weight_is_there_as_often_as_its_score_says() -> None:
    latent = torch.full((100, 100), 2.0)
    binarizer = make_weight_binarizer("biprop_sampled", latent, score=1.0)
    binarizer.draw_from(torch.Generator().manual_seed(0))
    kept = (binarizer(latent) != 0).float().mean().item()
    assert kept == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item(), abs=0.02)
    binarizer(latent).sum().backward()
    chance = torch.sigmoid(torch.tensor(1.0))
    expected = 2 * chance * (1 - chance)
    torch.testing.assert_close(binarizer.scores.grad, expected.expand(100, 100))


def test_the_same_generator_draws_the_same_subnet() -> None:
    latent = torch.ones(20, 20)
    binarizer = make_weight_binarizer("biprop_sampled", latent)
    drawn = []
    for seed in (1, 1, 2):
        binarizer.draw_from(torch.Generator().manual_seed(seed))
        drawn.append(binarizer(latent).detach().round())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_fixed_subnet_takes_the_state_of_a_ticket() -> None:
    ticket, fixed = (nn.Sequential(nn.Linear(6, 4, bias=False)) for _ in range(2))
    binarize_weights(ticket, ["0"], "biprop", keep=0.25)
    binarize_weights(fixed, ["0"], "biprop_fixed", keep=0.25)
    fixed.load_state_dict(ticket.state_dict())
    set_binary(ticket, ["0"])
    set_binary(fixed, ["0"])
    assert torch.equal(fixed[0].weight != 0, ticket[0].weight != 0)
    assert not any(parameter.requires_grad for parameter in fixed.parameters())


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


def test_impossible_numbers_of_the_global_ticket_are_refused() -> None:
    with pytest.raises(SpecError, match="ramp_epochs: must be 0 or more"):
        make_weight_binarizer("biprop_global", torch.ones(2, 2), ramp_epochs=-1)
    with pytest.raises(SpecError, match="threshold: must be 0 or more"):
        make_weight_binarizer("biprop_global", torch.ones(2, 2), threshold=-0.5)
