"""The tables of a trial's parts, and the facts of a binarizer."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

import torch

from trainers.binarize.weights import WEIGHT_BINARIZERS, WeightBinarizer
from trainers.binding import Component
from trainers.losses import DISTILLATIONS, LOSSES
from trainers.models import MODELS
from trainers.models.weight_inits import WEIGHT_INITS
from trainers.optim.optimizers import LR_SCHEDULES, OPTIMIZERS

Precision = Literal["float32", "bfloat16", "tf32", "float64"]
LatentAtEval = Literal["keep", "reset"]

COMPONENTS: Mapping[str, tuple[str, Mapping[str, Callable[..., object]]]] = {
    "model": ("model", MODELS),
    "optimizer": ("optimizer", OPTIMIZERS),
    "lr_schedule": ("lr schedule", LR_SCHEDULES),
    "loss": ("loss", LOSSES),
    "weights": ("weight binarizer", WEIGHT_BINARIZERS),
    "distillation": ("distillation", DISTILLATIONS),
    "init": ("first weights", WEIGHT_INITS),
}


@lru_cache(maxsize=256)
def binarizer_of(weights: Component) -> WeightBinarizer:
    """Makes a weight binarizer for a dummy weight, to read its facts.

    Raises:
        SpecError: If it rejects an option's value.
    """
    # It may draw scores; making a spec must not change later draws.
    with torch.random.fork_rng(devices=[]):
        return WEIGHT_BINARIZERS[weights.name](torch.ones(2, 2), **weights.options)
