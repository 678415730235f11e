"""Where the parts of a trial are looked up, and what is read from their options."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from trainers.binarize.schedule import HIGHEST_RAMPED
from trainers.binarize.weights import WEIGHT_BINARIZERS
from trainers.binding import Component, Value, options_of
from trainers.losses import LOSSES
from trainers.models import MODELS
from trainers.models.weight_inits import WEIGHT_INITS
from trainers.optim.optimizers import LR_SCHEDULES, OPTIMIZERS

Precision = Literal["float32", "bfloat16", "tf32", "float64"]
LatentAtEval = Literal["keep", "reset"]
DEFAULT_INIT = Component("default")

COMPONENTS: Mapping[str, tuple[str, Mapping[str, Callable[..., object]]]] = {
    "model": ("model", MODELS),
    "optimizer": ("optimizer", OPTIMIZERS),
    "lr_schedule": ("lr schedule", LR_SCHEDULES),
    "loss": ("loss", LOSSES),
    "weights": ("weight binarizer", WEIGHT_BINARIZERS),
    "init": ("first weights", WEIGHT_INITS),
}
PLAIN: Mapping[str, Any] = {
    "epochs": int,
    "seed": int,
    "precision": Precision,
    "latent_at_eval": LatentAtEval,
    "measure_test": bool,
    "clip_gradient": float | None,
}


def kept_share(weights: Component) -> float | None:
    """The share of a layer's weights that a binarizer keeps; None: all of them."""
    keep = option_of(weights, "keep")
    return keep if isinstance(keep, float) else None


def option_of(weights: Component, name: str) -> Value:
    """A binarizer's option, or its default; None where it has no such option."""
    known = options_of(WEIGHT_BINARIZERS[weights.name])
    default: Value = known[name].default if name in known else None
    return weights.options.get(name, default)


def ramp_of(weights: Component) -> int:
    """Epochs before a binarizer keeps its final share; 0: it does from the first on."""
    ramp, keep = option_of(weights, "ramp_epochs"), kept_share(weights)
    return ramp if isinstance(ramp, int) and keep is not None and keep <= HIGHEST_RAMPED else 0
