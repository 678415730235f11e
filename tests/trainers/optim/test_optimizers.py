"""Optimizers and learning-rate schedules against steps worked out by hand."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from trainers.binding import options_of
from trainers.errors import SpecError, UnknownNameError
from trainers.optim.lr_policies import LrSchedule
from trainers.optim.optimizers import (
    OPTIMIZERS,
    adam,
    constant,
    lr_schedule,
    multistep,
    set_lr,
    sgd,
)


def _after(optimizer: torch.optim.Optimizer, weight: nn.Parameter, *gradients: float) -> float:
    for gradient in gradients:
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
    return weight.item()


def test_adam_takes_the_steps_of_the_paper() -> None:
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = adam([weight], lr=0.1, betas=(0.8, 0.9), eps=1e-3)
    expected, mean, square = 1.0, 0.0, 0.0
    for step, gradient in enumerate((2.0, -1.0, 0.5), start=1):
        mean, square = 0.8 * mean + 0.2 * gradient, 0.9 * square + 0.1 * gradient**2
        root = math.sqrt(square / (1 - 0.9**step))
        expected -= 0.1 * (mean / (1 - 0.8**step)) / (root + 1e-3)
    assert _after(optimizer, weight, 2.0, -1.0, 0.5) == pytest.approx(expected, rel=1e-12)


def test_adam_has_the_papers_defaults() -> None:
    group = adam([nn.Parameter(torch.zeros(1))], lr=0.1).param_groups[0]
    given = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay")}
    assert given == {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}


def test_sgd_has_momentum_and_weight_decay() -> None:
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = sgd([weight], lr=0.1, momentum=0.5, weight_decay=0.2)
    # First step: gradient 1 + 0.2 * 1; second: velocity 0.5 * 1.2 plus 1 + 0.2 * 0.88.
    assert _after(optimizer, weight, 1.0) == pytest.approx(0.88)
    assert _after(optimizer, weight, 1.0) == pytest.approx(0.88 - 0.1 * (0.6 + 1.176))


def test_sgd_with_nesterov_looks_ahead() -> None:
    weight = nn.Parameter(torch.tensor([0.0], dtype=torch.float64))
    optimizer = sgd([weight], lr=0.1, momentum=0.5, nesterov=True)
    assert _after(optimizer, weight, 1.0) == pytest.approx(-0.15)


def test_constant_is_the_same_in_every_epoch() -> None:
    assert {constant(0.3)(epoch) for epoch in (0, 1, 999)} == {0.3}


def test_multistep_drops_in_the_epoch_of_the_milestone() -> None:
    rate = multistep(0.8, milestones=(2, 4), gamma=0.5)
    assert [rate(epoch) for epoch in range(6)] == [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]


def test_multistep_without_milestones_is_constant() -> None:
    assert multistep(0.8, milestones=())(10**6) == 0.8


@pytest.mark.parametrize("milestones", [(0, 2), (3, 2), (2, 2), (-1,)])
def test_multistep_refuses_milestones_out_of_order(milestones: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="milestones: must be positive and increasing"):
        multistep(0.1, milestones=milestones)


def _runs(rate: LrSchedule, *, epochs: int) -> list[tuple[int, float]]:
    """How many epochs in a row have which rate."""
    rates = itertools.groupby(round(rate(epoch), 12) for epoch in range(epochs))
    return [(len(list(run)), lr) for lr, run in rates]


@pytest.mark.parametrize(
    ("lr", "epochs", "milestones", "early", "runs"),
    [
        (0.1, 1200, (1000, 1100), True, [(999, 0.1), (100, 0.01), (101, 0.001)]),
        (0.1, 300, (200, 250), True, [(199, 0.1), (50, 0.01), (51, 0.001)]),
        (0.01, 67, (42, 57), False, [(42, 0.01), (15, 0.001), (10, 0.0001)]),
        # A milestone beyond the last epoch never comes.
        (0.01, 20, (20,), False, [(20, 0.01)]),
    ],
    ids=["resnet20 full", "resnet20 sensitivity", "resnet21 full", "resnet21 sensitivity"],
)
def test_rates_drop_when_the_published_code_drops_them(
    lr: float,
    epochs: int,
    milestones: tuple[int, ...],
    early: bool,
    runs: list[tuple[int, float]],
) -> None:
    assert _runs(multistep(lr, milestones=milestones, early=early), epochs=epochs) == runs


def test_multistep_refuses_a_drop_before_the_first_epoch() -> None:
    with pytest.raises(SpecError, match="the drop at 1 would come before the first epoch"):
        multistep(0.1, milestones=(1, 3), early=True)


def test_the_rate_rises_evenly_through_the_warm_up() -> None:
    rate = constant(0.8, warmup=4)
    assert [rate(epoch) for epoch in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_without_milestones_the_rate_drops_at_even_distances() -> None:
    rate = multistep(0.8, adjust=2, gamma=0.5)
    assert [rate(epoch) for epoch in range(5)] == [0.8, 0.8, 0.4, 0.4, 0.2]


def test_each_milestone_may_have_a_factor_of_its_own() -> None:
    rate = multistep(0.8, milestones=(2, 4, 4), gammas=(0.5, 0.1, 0.5))
    assert [rate(epoch) for epoch in range(5)] == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.02])
    early = multistep(0.8, milestones=(2, 4), gammas=(0.5, 0.1), early=True)
    assert [early(epoch) for epoch in range(4)] == pytest.approx([0.8, 0.4, 0.4, 0.04])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"milestones": (1, 2)}, "gammas: needs one milestone for each of its 1 factors, got 2"),
        ({}, "gammas: needs one milestone for each of its 1 factors, got none; set milestones"),
        ({"milestones": (1,), "gamma": 0.5}, "gamma: cannot be combined with gammas"),
        ({"milestones": (1,), "gammas": (-0.5,)}, "gammas: must be 0 or more"),
        ({"milestones": (2, 1), "gammas": (1.0, 1.0)}, "milestones: must be positive and incr"),
    ],
)
def test_factors_that_fit_no_milestones_are_refused(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        lr_schedule("multistep", lr=0.1, epochs=9, **({"gammas": (0.5,)} | options))


@pytest.mark.parametrize("policy", ["constant", "multistep"])
def test_a_warm_up_may_have_one_rate_of_its_own(policy: str) -> None:
    rate = lr_schedule(policy, lr=0.4, epochs=5, warmup=2, warmup_lr=0.1)
    assert [rate(epoch) for epoch in range(5)] == [0.1, 0.1, 0.4, 0.4, 0.4]
    with pytest.raises(SpecError, match="warmup_lr: is for a warm-up; set warmup too"):
        lr_schedule(policy, lr=0.4, epochs=5, warmup_lr=0.1)
    with pytest.raises(SpecError, match="warmup_lr: must be positive, got 0"):
        lr_schedule(policy, lr=0.4, epochs=5, warmup=2, warmup_lr=0.0)


def test_a_warm_up_and_drops_follow_each_other() -> None:
    rate = multistep(0.8, milestones=(3,), warmup=2)
    assert [rate(epoch) for epoch in range(4)] == pytest.approx([0.4, 0.8, 0.8, 0.08])


def test_rates_that_cannot_be_are_refused() -> None:
    with pytest.raises(SpecError, match="warmup: must be 0 or more, got -1"):
        constant(0.1, warmup=-1)
    with pytest.raises(SpecError, match="adjust: must be 1 or more"):
        multistep(0.1, adjust=0)


def test_a_policy_is_made_by_name_with_its_own_or_the_published_options() -> None:
    ours = lr_schedule("cosine", lr=0.2, epochs=20, warmup=5)
    theirs = lr_schedule("cosine", lr=0.2, epochs=20, warmup_length=5)
    assert [ours(epoch) for epoch in range(20)] == [theirs(epoch) for epoch in range(20)]
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        lr_schedule("cosinus", lr=0.2, epochs=20)


def test_set_lr_reaches_every_parameter_group() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_lr(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_a_rate_and_moves_a_weight_downhill(name: str) -> None:
    assert options_of(OPTIMIZERS[name])["lr"].annotation is float
    weight = nn.Parameter(torch.tensor([1.0]))
    assert _after(OPTIMIZERS[name]([weight], lr=0.1), weight, 1.0) < 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_its_state_through_a_state_dict(name: str) -> None:
    extra = {"momentum": 0.9} if name == "sgd" else {}
    first, second = (nn.Parameter(torch.tensor([1.0])) for _ in range(2))
    old, new = (OPTIMIZERS[name]([weight], lr=0.1, **extra) for weight in (first, second))
    _after(old, first, 1.0, -2.0)
    second.data.copy_(first.data)
    # A copy: loading keeps the very tensors where it can.
    new.load_state_dict(copy.deepcopy(old.state_dict()))
    assert _after(old, first, 0.5) == _after(new, second, 0.5)
