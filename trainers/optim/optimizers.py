"""Optimizers and learning-rate schedules by name."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import nn

from trainers.binding import bind_to, make, option, options_of
from trainers.errors import Fault, SpecError, choose
from trainers.optim.adam import Adam
from trainers.optim.eager import Sgd
from trainers.optim.epochs import Epochs, Warmup
from trainers.optim.lr import warm_restarts
from trainers.optim.lr_policies import (
    LrSchedule,
    cos_multi,
    cosine,
    decay,
    mpt11_w18_2,
    mpt11_w18_2_v2,
    mpt11_w34_2_v2,
    mpt132_w34_2,
    warmed_up,
    xnor,
)


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
    return Sgd(
        params,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=True,
    )


def constant(lr: float, *, warmup: Warmup = 0) -> LrSchedule:
    """The same rate in every epoch, after a warm-up.

    Args:
        lr: The rate.
        warmup: Epochs over which the rate rises linearly; the last of them has rate `lr`. 0 or
            more.

    Raises:
        SpecError: If the warm-up is negative.
    """
    return warmed_up(lr, warmup, lambda epoch: lr)


def multistep(
    lr: float,
    *,
    milestones: Annotated[Sequence[int] | None, Epochs(distinct=True, early="early")] = None,
    gamma: float = 0.1,
    early: bool = False,
    adjust: Annotated[int, Epochs(early="early", unless="milestones")] = 20,
) -> LrSchedule:
    """Multiplies the rate by `gamma` at every milestone.

    Args:
        lr: Rate of the first epoch.
        milestones: Epochs, counted from 0, at which the rate is multiplied; None: every `adjust`
            epochs.
        gamma: Factor; 0 or more.
        early: Each drop comes one epoch earlier: the published MNIST and CIFAR-10 code of
            iterative training increases its epoch counter before training.
        adjust: Epochs between two drops if no milestones are given; 1 or more.

    Raises:
        SpecError: If the milestones are not positive and increasing, if the rate would drop before
            the first epoch, or if a number is out of range.
    """
    if gamma < 0:
        raise SpecError(Fault("gamma", f"must be 0 or more, got {gamma}"))
    if adjust < 1:
        raise SpecError(Fault("adjust", f"must be 1 or more, got {adjust}"))
    if milestones is None:
        if early and adjust == 1:
            what = "with early: true the drop at 1 would come before the first epoch"
            raise SpecError(Fault("adjust", what, "set 2 or more"))
        return lambda epoch: lr * gamma ** ((epoch + early) // adjust)
    if list(milestones) != sorted(set(milestones)) or min(milestones, default=1) < 1:
        what = f"must be positive and increasing, got {list(milestones)}"
        raise SpecError(Fault("milestones", what))
    if early and 1 in milestones:
        what = "with early: true the drop at 1 would come before the first epoch"
        raise SpecError(Fault("milestones", what, "start at 2 or more"))
    drops = [milestone - early for milestone in milestones]
    return lambda epoch: lr * gamma ** sum(drop <= epoch for drop in drops)


OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {"adam": adam, "sgd": sgd}
LR_SCHEDULES: Mapping[str, Callable[..., LrSchedule]] = {
    "constant": constant,
    "cos_multi": cos_multi,
    "cosine": cosine,
    "decay": decay,
    "mpt11_w18_2": mpt11_w18_2,
    "mpt11_w18_2_v2": mpt11_w18_2_v2,
    "mpt11_w34_2_v2": mpt11_w34_2_v2,
    "mpt132_w34_2": mpt132_w34_2,
    "multistep": multistep,
    "warm_restarts": warm_restarts,
    "xnor": xnor,
}
"""Each takes the trial's rate first and, if it has a parameter `epochs`, the number of epochs.

Options that count epochs carry a mark: see `trainers.optim.epochs`.
"""
PUBLISHED_OPTIONS = {
    "warmup_length": "warmup",
    "lr_adjust": "adjust",
    "lr_gamma": "gamma",
    "decayinterval": "interval",
    "decaylevel": "level",
    "minlr": "floor",
}
"""Names of options in the code published with arXiv:2103.09377 and arXiv:1804.02941, and ours."""
_TRIAL = {"lr": option("lr", float), "epochs": option("epochs", int)}


def lr_schedule(policy: str, *, lr: float, epochs: int, **options: Any) -> LrSchedule:
    """Returns the function from an epoch, counted from 0, to its learning rate.

    Args:
        policy: A key of `LR_SCHEDULES`.
        lr: The trial's rate.
        epochs: Number of epochs of the trial.
        options: Keyword arguments of the policy; published names (`PUBLISHED_OPTIONS`) work too.

    Raises:
        UnknownNameError: If there is no such policy.
        SpecError: If the policy has no such option or rejects its value, or `epochs` is below 1.
            The returned function raises it for an epoch outside the trial.
    """
    entry = choose("lr schedule", LR_SCHEDULES, policy)
    bind_to(_TRIAL, {"lr": lr, "epochs": epochs}, owner="a trial")
    if epochs < 1:
        raise SpecError(Fault("epochs", f"must be 1 or more, got {epochs}"))
    takes_epochs = "epochs" in inspect.signature(entry).parameters
    trial = (lr, epochs) if takes_epochs else (lr,)
    rate = make("lr schedule", LR_SCHEDULES, policy, *trial, options=_renamed(entry, options))

    def checked(epoch: int) -> float:
        if not 0 <= epoch < epochs:
            raise SpecError(f"there is no epoch {epoch}; the schedule has 0 to {epochs - 1}")
        return rate(epoch)

    return checked


def _renamed(entry: Callable[..., object], options: Mapping[str, object]) -> dict[str, object]:
    """Returns the options under our names.

    Raises:
        SpecError: If an option is given under both its names.
    """
    accepted, own = options_of(entry), {}
    for name, value in options.items():
        here = PUBLISHED_OPTIONS.get(name, name)
        here = here if here in accepted else name
        if here in own:
            raise SpecError(Fault(name, f"is '{here}' under its published name: give one of them"))
        own[here] = value
    return own


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Sets the learning rate of every parameter group."""
    group: dict[str, Any]
    for group in optimizer.param_groups:
        group["lr"] = lr
