"""Training losses by name."""

from collections.abc import Callable, Mapping

from trainers.losses.base import Distillation, Loss, LossFunction, no_distillation
from trainers.losses.centres import center_loss, move_centers
from trainers.losses.distillation import feature_matching, kl_distillation, label_refinery
from trainers.losses.entropy import cross_entropy, divergence
from trainers.losses.teaching import features, kl, refinery

LOSSES: Mapping[str, Callable[..., Loss]] = {"cross_entropy": cross_entropy}
DISTILLATIONS: Mapping[str, Callable[..., Distillation | None]] = {
    "none": no_distillation,
    "kl": kl,
    "features": features,
    "label_refinery": refinery,
}

__all__ = [
    "DISTILLATIONS",
    "LOSSES",
    "Distillation",
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
