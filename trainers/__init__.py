"""Binary-network training in pure PyTorch: specs, networks, binarizers, one engine."""

from trainers.binarize.attach import (
    baked,
    binarize_weights,
    latent_weights,
    set_binary,
    weight_layers,
)
from trainers.binarize.schedule import LayerSchedule
from trainers.binarize.weights import WEIGHT_BINARIZERS, WeightBinarizer, make_weight_binarizer
from trainers.build import build_model
from trainers.engine.callbacks import Callback
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.result import EpochMetrics, Scores, TrainResult
from trainers.engine.storage import place_at
from trainers.errors import BadLossError, MissingDataError, SpecError, UnknownNameError
from trainers.models import MODELS
from trainers.run import RunOptions, run
from trainers.spec import TrainSpec

__all__ = [
    "MODELS",
    "WEIGHT_BINARIZERS",
    "BadLossError",
    "Callback",
    "CheckpointPolicy",
    "EpochMetrics",
    "LayerSchedule",
    "MissingDataError",
    "RunOptions",
    "Scores",
    "SpecError",
    "TrainResult",
    "TrainSpec",
    "UnknownNameError",
    "WeightBinarizer",
    "baked",
    "binarize_weights",
    "build_model",
    "latent_weights",
    "make_weight_binarizer",
    "place_at",
    "run",
    "set_binary",
    "weight_layers",
]
