"""Optimizers and learning-rate schedules by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainers.adam import Adam
from trainers.errors import Fault, SpecError, choose
from trainers.lr import warm_restarts

LrSchedule = Callable[[int], float]
"""Learning rate of an epoch, counted from 0."""


def adam(
    params: Iterable[nn.Parameter],
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Adam in its fused form. Source: Kingma & Ba 2015, arXiv:1412.6980."""
    return Adam(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


def sgd(
    params: Iterable[nn.Parameter],
    *,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum, in its fused form."""
    return torch.optim.SGD(
        params,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=True,
    )


def constant(lr: float) -> LrSchedule:
    """The same rate in every epoch."""
    return lambda epoch: lr


def multistep(
    lr: float, *, milestones: Sequence[int], gamma: float = 0.1, early: bool = False
) -> LrSchedule:
    """The rate times `gamma` for every milestone reached.

    Args:
        lr: Rate of the first epoch.
        milestones: Epochs, counted from 0, from which on the rate is multiplied once more.
        gamma: Factor; 0 or more.
        early: Each drop comes one epoch sooner: the published MNIST and CIFAR-10 code of
            iterative training counts an epoch before it trains it.

    Raises:
        SpecError: If the milestones are not positive and increasing, if the first epoch would
            drop already, or if gamma is negative.
    """
    if gamma < 0:
        raise SpecError(Fault("gamma", f"must be 0 or more, got {gamma}"))
    if list(milestones) != sorted(set(milestones)) or min(milestones, default=1) < 1:
        what = f"must be positive and increasing, got {list(milestones)}"
        raise SpecError(Fault("milestones", what))
    if early and 1 in milestones:
        what = "with early: true the drop at 1 would come before the first epoch"
        raise SpecError(Fault("milestones", what, "begin with 2 or more"))
    drops = [milestone - early for milestone in milestones]
    return lambda epoch: lr * gamma ** sum(drop <= epoch for drop in drops)


OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {"adam": adam, "sgd": sgd}
LR_SCHEDULES: Mapping[str, Callable[..., LrSchedule]] = {
    "constant": constant,
    "multistep": multistep,
    "warm_restarts": warm_restarts,
}
EPOCH_OPTIONS = frozenset({"milestones", "restarts"})
"""Options of the tables above that count epochs, and shrink when a study's epochs are scaled."""


def lr_schedule(policy: str, *, lr: float, epochs: int, **options: object) -> LrSchedule:
    """The learning rate by epoch, counted from 0.

    Args:
        policy: A key of `LR_SCHEDULES`.
        lr: Rate of the first epoch.
        epochs: How many there will be; 1 or more. The schedule refuses any other.
        options: Keyword arguments of that policy.

    Raises:
        UnknownNameError: If there is no such policy.
        SpecError: If there is no epoch, or the policy refuses an option.
    """
    if epochs < 1:
        raise SpecError(Fault("epochs", f"must be 1 or more, got {epochs}"))
    rate = choose("lr schedule", LR_SCHEDULES, policy)(lr, **options)

    def checked(epoch: int) -> float:
        if not 0 <= epoch < epochs:
            raise SpecError(f"there is no epoch {epoch}; the schedule has 0 to {epochs - 1}")
        return rate(epoch)

    return checked


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Sets the rate of every parameter group."""
    group: dict[str, Any]
    for group in optimizer.param_groups:
        group["lr"] = lr
