"""How long an epoch of a kind takes: measured, or derived from what was; pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import fmean

from orchestrator.planning.workload import Kind, Work

Guess = Callable[[Kind], float]
"""Seconds of an epoch of a kind."""


@dataclass(slots=True)
class Measured:
    """Epochs of a kind that were measured: how many, and their seconds together."""

    num: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds of an epoch."""
        return self.seconds / self.num


@dataclass(slots=True)
class Paces:
    """Seconds of an epoch of each kind: what was measured, else a guess made to fit that.

    A kind that was not measured takes the guess times the factor by which the guess was wrong:
    about the same training with the nearest number of binary layers, and about the step from that
    number in other trainings, since binary weights are computed, too; else about all that was
    measured, which is why a guess from FLOPs alone serves once one network was measured.

    Args:
        guess: Of kinds that were not measured.
        measured: What was measured.
    """

    guess: Guess
    measured: dict[Kind, Measured] = field(default_factory=dict)

    def add(self, kind: Kind, seconds: float, *, num: int = 1) -> None:
        """Takes measured epochs; `seconds` of all of them."""
        of_kind = self.measured.setdefault(kind, Measured())
        of_kind.num += num
        of_kind.seconds += seconds

    def __call__(self, kind: Kind) -> float:
        """Seconds of an epoch."""
        if kind in self.measured:
            return self.measured[kind].mean
        near = self._nearest(kind)
        if near is not None:
            return self.guess(kind) * self._factor(near) * self._step(near.binary, kind.binary)
        epochs = sum(found.seconds for found in self.measured.values())
        guessed = sum(found.num * self.guess(one) for one, found in self.measured.items())
        return self.guess(kind) * (_ratio(epochs, guessed) if self.measured else 1.0)

    def knows(self, kind: Kind) -> bool:
        """Whether epochs of this training were measured, with any number of binary layers."""
        return kind in self.measured or self._nearest(kind) is not None

    @property
    def num_epochs(self) -> int:
        """Epochs that were measured."""
        return sum(found.num for found in self.measured.values())

    def _factor(self, kind: Kind) -> float:
        """How many times as long as guessed a kind takes that was measured."""
        return _ratio(self.measured[kind].mean, self.guess(kind))

    def _step(self, binary: int, other: int) -> float:
        """The factor between two numbers of binary layers, in trainings that have had both."""
        steps = [
            _ratio(self._factor(Kind(one.training, other)), self._factor(one))
            for one in self.measured
            if one.binary == binary and Kind(one.training, other) in self.measured
        ]
        return fmean(steps) if steps else 1.0

    def _nearest(self, kind: Kind) -> Kind | None:
        same = [one for one in self.measured if one.training == kind.training]
        return min(same, key=lambda one: abs(one.binary - kind.binary), default=None)


def seconds_of(work: Work, pace: Guess) -> float:
    """Seconds of all epochs of a work, one after another."""
    return sum(stretch.epochs * pace(stretch.kind) for stretch in work)


def kinds_of(works: Iterable[Work]) -> set[Kind]:
    """All kinds of epochs in some works."""
    return {stretch.kind for work in works for stretch in work}


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0 else 1.0
