"""Optimizers and learning-rate schedules by name."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import nn

from trainers.binding import bind_to, make, option, options_of
from trainers.errors import Fault, SpecError, choose
from trainers.optim.adam import Adam
from trainers.optim.centralization import CentralizedAdam, CentralizedSgd
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
    stepped,
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
    grad_centralization: bool = False,
) -> torch.optim.Optimizer:
    """Adam in its fused form. Source: Kingma & Ba 2015, arXiv:1412.6980.

    Args:
        params: The parameters that it updates.
        lr: Learning rate.
        betas: Decay of the means of gradients and of their squares.
        eps: Added to the root of the squares.
        weight_decay: Factor on the weight that is added to its gradient.
        grad_centralization: First take from the gradient of each weight its mean for each output;
            see `trainers.optim.centralization.centralized`.
    """
    kind = CentralizedAdam if grad_centralization else Adam
    return kind(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


def sgd(
    params: Iterable[nn.Parameter],
    *,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    grad_centralization: bool = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum, in its fused form; options as in `adam`."""
    kind = CentralizedSgd if grad_centralization else Sgd
    return kind(
        params,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=True,
    )


def constant(lr: float, *, warmup: Warmup = 0, warmup_lr: float | None = None) -> LrSchedule:
    """The same rate in every epoch, after a warm-up.

    Args:
        lr: The rate.
        warmup: Epochs over which the rate rises linearly; the last of them has rate `lr`. 0 or
            more.
        warmup_lr: The same rate in all epochs of the warm-up, instead of a rise; positive.

    Raises:
        SpecError: If the warm-up is negative, or its rate is not positive or has no epochs.
    """
    return warmed_up(lr, warmup, warmup_lr=warmup_lr, after=lambda epoch: lr)


def multistep(
    lr: float,
    *,
    milestones: Annotated[
        Sequence[int] | None, Epochs(distinct=True, paired="gammas", early="early")
    ] = None,
    gamma: float = 0.1,
    early: bool = False,
    adjust: Annotated[int, Epochs(early="early", unless="milestones")] = 20,
    gammas: Sequence[float] | None = None,
    warmup: Warmup = 0,
    warmup_lr: float | None = None,
) -> LrSchedule:
    """Multiplies the rate by `gamma` at every milestone, or by a factor of its own.

    Args:
        lr: Rate of the first epoch.
        milestones: Epochs, counted from 0, at which the rate is multiplied; None: every `adjust`
            epochs.
        gamma: Factor; 0 or more.
        early: Each drop comes one epoch earlier: the published MNIST and CIFAR-10 code of
            iterative training increases its epoch counter before training.
        adjust: Epochs between two drops if no milestones are given; 1 or more.
        gammas: Instead of `gamma`: one factor a milestone, each 0 or more. Milestones may then
            fall together.
        warmup: As in `constant`; drops within the warm-up come after it.
        warmup_lr: As in `constant`.

    Raises:
        SpecError: If the milestones are not positive and increasing, if there is not one of them
            for each factor, if the rate would drop before the first epoch, or if a number is out
            of range.
    """
    if gamma < 0:
        raise SpecError(Fault("gamma", f"must be 0 or more, got {gamma}"))
    if adjust < 1:
        raise SpecError(Fault("adjust", f"must be 1 or more, got {adjust}"))
    if gammas is not None:
        _check_gammas(gammas, milestones, gamma)
    early_fault = "with early: true the drop at 1 would come before the first epoch"
    rate: LrSchedule
    if milestones is None:
        if early and adjust == 1:
            raise SpecError(Fault("adjust", early_fault, "set 2 or more"))
        # A power, not a product, which rounds otherwise.
        rate = lambda epoch: lr * gamma ** ((epoch + early) // adjust)  # noqa: E731
        return warmed_up(lr, warmup, rate, warmup_lr=warmup_lr)
    in_order = sorted(milestones if gammas is not None else set(milestones))
    if list(milestones) != in_order or min(milestones, default=1) < 1:
        what = f"must be positive and increasing, got {list(milestones)}"
        raise SpecError(Fault("milestones", what))
    if early and 1 in milestones:
        raise SpecError(Fault("milestones", early_fault, "start at 2 or more"))
    drops = [milestone - early for milestone in milestones]
    if gammas is not None:
        rate = stepped(lr, drops, gammas)
    else:
        rate = lambda epoch: lr * gamma ** sum(drop <= epoch for drop in drops)  # noqa: E731
    return warmed_up(lr, warmup, rate, warmup_lr=warmup_lr)


def _check_gammas(gammas: Sequence[float], milestones: Sequence[int] | None, gamma: float) -> None:
    if gamma != 0.1:
        raise SpecError(Fault("gamma", "cannot be combined with gammas", "keep one of the two"))
    if milestones is None or len(milestones) != len(gammas):
        what = f"needs one milestone for each of its {len(gammas)} factors"
        got = "none" if milestones is None else f"{len(milestones)}"
        raise SpecError(Fault("gammas", f"{what}, got {got}", "set milestones to as many epochs"))
    if any(not factor >= 0 for factor in gammas):
        raise SpecError(Fault("gammas", f"must be 0 or more, got {list(gammas)}"))


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


def lr_of_step(lr: float, *, images: int, lr_batch: int | None) -> float:
    """Returns the learning rate of a step that sees so many images.

    lr * images / lr_batch

    Args:
        lr: The rate of a step with `lr_batch` images.
        images: Images of a step; 1 or more.
        lr_batch: 1 or more; None: the rate does not depend on the images.

    Source: Goyal et al. 2017, arXiv:1706.02677, sec. 2.1.
    """
    return lr if lr_batch is None else lr * (images / lr_batch)


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
