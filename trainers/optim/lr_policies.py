"""Learning-rate policies of BIPROP, and the warm-up."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated

from trainers.errors import Fault, SpecError
from trainers.optim.epochs import Epochs, Warmup

LrSchedule = Callable[[int], float]
"""Learning rate of an epoch, counted from 0."""
Steps = Annotated[Sequence[int], Epochs()]
"""Epochs, counted from 0, at which the rate changes; one for each factor of the policy."""


def cosine(lr: float, epochs: int, *, warmup: Warmup = 0) -> LrSchedule:
    """Half a cosine from `lr` down to 0, reached one epoch after the last.

    lr / 2 (1 + cos(pi (epoch - warmup) / (epochs - warmup)))

    Args:
        lr: The highest rate.
        epochs: Number of epochs of the trial.
        warmup: As in `constant`; below `epochs`.

    Raises:
        SpecError: If the warm-up is negative or not shorter than the trial.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts; warm-up: the code
        published with arXiv:1911.13299 and arXiv:2103.09377.
    """
    _check_warmup(warmup, epochs)
    return warmed_up(lr, warmup, lambda epoch: lr * _half_cosine(epoch, warmup, epochs))


def xnor(lr: float, *, milestones: Steps = (30, 44, 54)) -> LrSchedule:
    """Divides the rate by 10 at each of three epochs.

    Raises:
        SpecError: If there are not three epochs, or one is negative or below the one before.

    Source: the code published with arXiv:2103.09377; also for the next five policies.
    """
    return stepped(lr, milestones, (0.1, 0.1, 0.1))


def mpt132_w34_2(lr: float, *, milestones: Steps = (27, 44, 54)) -> LrSchedule:
    """Divides the rate by 10 at the first two epochs, and by 100 at the third."""
    return stepped(lr, milestones, (0.1, 0.1, 0.01))


def mpt11_w34_2_v2(lr: float, *, milestones: Steps = (50, 62, 70)) -> LrSchedule:
    """Like `mpt132_w34_2`, at other epochs."""
    return stepped(lr, milestones, (0.1, 0.1, 0.01))


def mpt11_w18_2(lr: float, *, milestones: Steps = (46, 65, 80)) -> LrSchedule:
    """Like `mpt132_w34_2`, at other epochs."""
    return stepped(lr, milestones, (0.1, 0.1, 0.01))


def mpt11_w18_2_v2(lr: float, *, milestones: Steps = (35, 50, 60)) -> LrSchedule:
    """Like `mpt132_w34_2`, at other epochs."""
    return stepped(lr, milestones, (0.1, 0.1, 0.01))


def cos_multi(
    lr: float,
    epochs: int,
    *,
    milestones: Steps = (30, 44, 54),
    cosine_from: Annotated[int, Epochs()] = 55,
    warmup: Warmup = 0,
) -> LrSchedule:
    """Like `xnor`, multiplied by the factor of `cosine` from epoch `cosine_from` on.

    Raises:
        SpecError: As in `xnor` and `cosine`.
    """
    _check_warmup(warmup, epochs)
    steps = stepped(lr, milestones, (0.1, 0.1, 0.1))

    def rate(epoch: int) -> float:
        factor = _half_cosine(epoch, warmup, epochs) if epoch >= cosine_from else 1.0
        return steps(epoch) * factor

    return rate


def decay(
    lr: float,
    *,
    interval: Annotated[int, Epochs()] = 50,
    level: float = 2.0,
    floor: float = 0.0,
) -> LrSchedule:
    """Divides the rate by `level` every `interval` epochs, down to `floor`.

    max(lr / level^(epoch // interval), floor)

    Args:
        lr: Rate of the first epochs; published: maxlr.
        interval: Epochs at one rate; 1 or more; published: decayinterval.
        level: Divisor; 1 or more; published: decaylevel.
        floor: The lowest rate; from 0 to `lr`; published: minlr.

    Raises:
        SpecError: If a number is out of range.

    Source: the code published with arXiv:1804.02941 (`decayschedular`).
    """
    faults = []
    if interval < 1:
        faults.append(Fault("interval", f"must be 1 or more, got {interval}"))
    if not level >= 1:
        faults.append(Fault("level", f"must be 1 or more, got {level}"))
    if not 0 <= floor <= lr:
        faults.append(Fault("floor", f"must be between 0 and the rate, {lr}, got {floor}"))
    if faults:
        raise SpecError(*faults)
    # A negative exponent becomes 0 where a positive one would overflow.
    return lambda epoch: max(lr * level ** -(epoch // interval), floor)


def warmed_up(
    lr: float, warmup: int, after: LrSchedule, *, warmup_lr: float | None = None
) -> LrSchedule:
    """Raises the rate linearly to `lr` over the first `warmup` epochs, then follows `after`.

    Args:
        lr: Rate that the warm-up reaches in its last epoch.
        warmup: Epochs of the warm-up; 0 or more.
        after: Rate of the epochs after it, counted from the first epoch of the trial.
        warmup_lr: The same rate in all epochs of the warm-up, instead of a rise; positive.

    Raises:
        SpecError: If the warm-up is negative, or its rate is not positive or has no epochs.
    """
    if warmup < 0:
        raise SpecError(Fault("warmup", f"must be 0 or more, got {warmup}"))
    if warmup_lr is not None:
        if not warmup_lr > 0:
            raise SpecError(Fault("warmup_lr", f"must be positive, got {warmup_lr}"))
        if not warmup:
            raise SpecError(Fault("warmup_lr", "is for a warm-up", "set warmup too"))
        return lambda epoch: warmup_lr if epoch < warmup else after(epoch)
    return lambda epoch: lr * (epoch + 1) / warmup if epoch < warmup else after(epoch)


def _check_warmup(warmup: int, epochs: int) -> None:
    if not 0 <= warmup < epochs:
        what = f"must be 0 or more and below the {epochs} epochs of the trial, got {warmup}"
        raise SpecError(Fault("warmup", what))


def _half_cosine(epoch: int, warmup: int, epochs: int) -> float:
    return (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup))) / 2


def stepped(lr: float, milestones: Sequence[int], factors: Sequence[float]) -> LrSchedule:
    """Multiplies the rate by a factor of its own at each milestone.

    Raises:
        SpecError: If there is not one epoch a factor, or one is negative or below the one before.
    """
    in_order = list(milestones) == sorted(milestones) and min(milestones, default=0) >= 0
    if len(milestones) != len(factors) or not in_order:
        what = f"must be {len(factors)} epochs from 0 on, in order, got {list(milestones)}"
        raise SpecError(Fault("milestones", what))
    reached = tuple(zip(milestones, factors, strict=True))
    return lambda epoch: lr * math.prod(factor for start, factor in reached if epoch >= start)
