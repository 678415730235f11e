"""Binary-network training in pure PyTorch: specs, networks, binarizers, one engine."""

from trainers.binarize.activations import (
    ACTIVATION_BINARIZERS,
    ActivationBinarizer,
    make_activation_binarizer,
)
from trainers.binarize.attach import (
    activated_modules,
    baked,
    binarize_activations,
    binarize_weights,
    latent_weights,
    set_binary,
    weight_layers,
)
from trainers.binarize.schedule import LayerSchedule, keep_ramp
from trainers.binarize.weights import WEIGHT_BINARIZERS, WeightBinarizer, make_weight_binarizer
from trainers.build import build_model
from trainers.engine.callbacks import Callback
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.result import EpochMetrics, Scores, TrainResult
from trainers.errors import BadLossError, MissingDataError, SpecError, UnknownNameError
from trainers.export.load import PackedFile, load_packed, read_packed
from trainers.export.onnx import export_onnx
from trainers.export.pack import export_packed
from trainers.models import MODELS
from trainers.optim.optimizers import LR_SCHEDULES, lr_schedule
from trainers.run import RunOptions, run
from trainers.spec.train_spec import TrainSpec
from trainers.storage import place_at

__all__ = [
    "ACTIVATION_BINARIZERS",
    "LR_SCHEDULES",
    "MODELS",
    "WEIGHT_BINARIZERS",
    "ActivationBinarizer",
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
    "activated_modules",
    "baked",
    "binarize_activations",
    "binarize_weights",
    "build_model",
    "export_onnx",
    "export_packed",
    "keep_ramp",
    "latent_weights",
    "load_packed",
    "lr_schedule",
    "make_activation_binarizer",
    "make_weight_binarizer",
    "place_at",
    "read_packed",
    "run",
    "set_binary",
    "weight_layers",
]
