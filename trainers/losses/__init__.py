"""Training losses by name."""

from collections.abc import Callable, Mapping

from trainers.losses.base import Loss, LossFunction
from trainers.losses.centres import center_loss, move_centers
from trainers.losses.distillation import feature_matching, kl_distillation, label_refinery
from trainers.losses.entropy import cross_entropy, divergence

LOSSES: Mapping[str, Callable[..., Loss]] = {"cross_entropy": cross_entropy}

__all__ = [
    "LOSSES",
    "Loss",
    "LossFunction",
    "center_loss",
    "cross_entropy",
    "divergence",
    "feature_matching",
    "kl_distillation",
    "label_refinery",
    "move_centers",
]
