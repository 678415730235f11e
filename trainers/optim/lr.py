"""Learning-rate schedules that begin anew again and again."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from trainers.errors import Fault, SpecError
from trainers.optim.epochs import Epochs

Reading = Literal["textbook", "pytorch041"]


def warm_restarts(
    lr: float,
    *,
    restarts: Annotated[Sequence[int] | None, Epochs(distinct=True)] = None,
    lr_min: float = 1e-4,
    reading: Reading = "textbook",
) -> Callable[[int], float]:
    """Half a cosine from the rate down to `lr_min`, again from every restart on.

    Rate:  lr_min + (lr - lr_min) * (1 + cos(pi * t / T)) / 2, at place t of a period of length T

    The period that begins at restart r is r epochs long; the first one, before any restart, is as
    long as the second. With restarts that double, each period ends where the next one begins.

    Args:
        lr: Rate at each restart.
        restarts: Epochs, counted from 0, that begin a period; None: 2, 4, 8, 16, ...
        lr_min: Rate that a period falls to; between 0 and `lr`.
        reading: textbook: t counts from the restart. pytorch041: as the published script ran
            under PyTorch 0.4.1, where a new schedule's first two steps are both its place 0, so
            that every period but the first lags by one epoch and never ends.

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
        if reading == "pytorch041" and begin:
            place = max(0, place - 1)
        length = begin or (restarts[0] if restarts else 2)
        return lr_min + (lr - lr_min) * (1 + math.cos(math.pi * place / length)) / 2

    return rate


def _last_restart(epoch: int, restarts: Sequence[int] | None) -> int:
    """The restart that began the period of an epoch; 0 before the first."""
    if restarts is None:
        return 1 << (epoch.bit_length() - 1) if epoch > 1 else 0
    number = bisect_right(restarts, epoch)
    return restarts[number - 1] if number else 0
