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
from trainers.export.load import PackedFile, load_packed, read_packed
from trainers.export.onnx import export_onnx
from trainers.export.pack import export_packed
from trainers.models import MODELS
from trainers.optim import LR_SCHEDULES, lr_schedule
from trainers.run import RunOptions, run
from trainers.spec import TrainSpec

__all__ = [
    "LR_SCHEDULES",
    "MODELS",
    "WEIGHT_BINARIZERS",
    "BadLossError",
    "Callback",
    "CheckpointPolicy",
    "EpochMetrics",
    "LayerSchedule",
    "MissingDataError",
    "PackedFile",
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
    "export_onnx",
    "export_packed",
    "latent_weights",
    "load_packed",
    "lr_schedule",
    "make_weight_binarizer",
    "place_at",
    "read_packed",
    "run",
    "set_binary",
    "weight_layers",
]
