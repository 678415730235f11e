"""Learning-rate schedules with restarts."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from trainers.errors import Fault, SpecError
from trainers.optim.epochs import Epochs

Reading = Literal["textbook", "pytorch041"]
FIRST_PERIOD = 2
"""Epochs of the period that the published script begins with."""


def warm_restarts(
    lr: float,
    *,
    restarts: Annotated[Sequence[int] | None, Epochs(distinct=True)] = None,
    lr_min: float = 1e-4,
    reading: Reading = "textbook",
) -> Callable[[int], float]:
    """Half a cosine from `lr` down to `lr_min`, repeated from every restart on.

    Rate:  lr_min + (lr - lr_min) * (1 + cos(pi * t / T)) / 2, at place t of a period of length T

    The period that begins at restart r has r epochs. The first period, before any restart, is as
    long as the first restart; read as pytorch041 it has 2 epochs, whatever the first restart, and
    its cosine rises again until there. If the restarts are 2, 4, 8, ..., each period ends where
    the next one begins.

    Args:
        lr: Rate at each restart.
        restarts: Epochs, counted from 0, at which a period begins; None: 2, 4, 8, 16, ...
        lr_min: Lowest rate of a period; between 0 and `lr`.
        reading: textbook: t counts from the restart. pytorch041: reproduces the published script
            under PyTorch 0.4.1, where the first two steps of a new schedule both have t = 0; so
            every period but the first is one epoch late and never reaches its end. The script
            begins with a period of 2 epochs; only with a first restart at 2 do both readings agree
            on the epochs before it.

    Raises:
        SpecError: If the restarts are not positive and increasing, or lr_min is out of range.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5; the restarts are those of McDonnell
        2018, arXiv:1802.08530, sec. 3.
    """
    if restarts is not None and (
        list(restarts) != sorted(set(restarts)) or min(restarts, default=1) < 1
    ):
        what = f"must be positive and increasing, got {list(restarts)}"
        raise SpecError(Fault("restarts", what))
    if not 0 <= lr_min <= lr:
        raise SpecError(Fault("lr_min", f"must be between 0 and the rate, {lr}, got {lr_min}"))
    if reading not in ("textbook", "pytorch041"):
        known = "known: pytorch041, textbook"
        raise SpecError(Fault("reading", f"unknown value '{reading}'", known))

    def rate(epoch: int) -> float:
        begin = _last_restart(epoch, restarts)
        place = epoch - begin
        first = restarts[0] if restarts and reading == "textbook" else FIRST_PERIOD
        if reading == "pytorch041" and begin:
            place = max(0, place - 1)
        length = begin or first
        return lr_min + (lr - lr_min) * (1 + math.cos(math.pi * place / length)) / 2

    return rate


def _last_restart(epoch: int, restarts: Sequence[int] | None) -> int:
    """Returns the restart that began the period of an epoch; 0 before the first restart."""
    if restarts is None:
        return 1 << (epoch.bit_length() - 1) if epoch > 1 else 0
    number = bisect_right(restarts, epoch)
    return restarts[number - 1] if number else 0
