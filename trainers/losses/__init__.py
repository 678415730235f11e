"""Training losses by name."""

from collections.abc import Callable, Mapping

from trainers.losses.base import Loss, LossFunction
from trainers.losses.entropy import cross_entropy, divergence

LOSSES: Mapping[str, Callable[..., Loss]] = {"cross_entropy": cross_entropy}

__all__ = ["LOSSES", "Loss", "LossFunction", "cross_entropy", "divergence"]
