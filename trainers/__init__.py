"""Binary-network training in pure PyTorch: specs, networks, binarizers, one engine.

The names below are imported on first use. So checking a spec, or using one name, does not wait for
the import of everything else.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from trainers.engine.layer_errors import LayerErrors, layer_errors
    from trainers.engine.result import EpochMetrics, Scores, TrainResult
    from trainers.errors import (
        BadLossError,
        MissingDataError,
        OutOfMemoryError,
        SpecError,
        UnknownNameError,
    )
    from trainers.export.load import PackedFile, load_packed, read_packed
    from trainers.export.onnx import export_onnx
    from trainers.export.pack import export_packed
    from trainers.losses import (
        DISTILLATIONS,
        LOSSES,
        center_loss,
        feature_matching,
        kl_distillation,
        label_refinery,
        move_centers,
    )
    from trainers.models import MODELS
    from trainers.optim.optimizers import LR_SCHEDULES, lr_schedule
    from trainers.spec.train_spec import TrainSpec
    from trainers.storage import place_at
    from trainers.training import RunOptions, run

_NAMES = {
    "binarize.activations": (
        "ACTIVATION_BINARIZERS",
        "ActivationBinarizer",
        "make_activation_binarizer",
    ),
    "binarize.attach": (
        "activated_modules",
        "baked",
        "binarize_activations",
        "binarize_weights",
        "latent_weights",
        "set_binary",
        "weight_layers",
    ),
    "binarize.schedule": ("LayerSchedule", "keep_ramp"),
    "binarize.weights": ("WEIGHT_BINARIZERS", "WeightBinarizer", "make_weight_binarizer"),
    "build": ("build_model",),
    "engine.callbacks": ("Callback",),
    "engine.checkpoint": ("CheckpointPolicy",),
    "engine.layer_errors": ("LayerErrors", "layer_errors"),
    "engine.result": ("EpochMetrics", "Scores", "TrainResult"),
    "errors": (
        "BadLossError",
        "MissingDataError",
        "OutOfMemoryError",
        "SpecError",
        "UnknownNameError",
    ),
    "export.load": ("PackedFile", "load_packed", "read_packed"),
    "export.onnx": ("export_onnx",),
    "export.pack": ("export_packed",),
    "losses": (
        "DISTILLATIONS",
        "LOSSES",
        "center_loss",
        "feature_matching",
        "kl_distillation",
        "label_refinery",
        "move_centers",
    ),
    "models": ("MODELS",),
    "optim.optimizers": ("LR_SCHEDULES", "lr_schedule"),
    "spec.train_spec": ("TrainSpec",),
    "storage": ("place_at",),
    "training": ("RunOptions", "run"),
}
_HOMES = {name: f"trainers.{home}" for home, names in _NAMES.items() for name in names}

__all__ = [
    "ACTIVATION_BINARIZERS",
    "DISTILLATIONS",
    "LOSSES",
    "LR_SCHEDULES",
    "MODELS",
    "WEIGHT_BINARIZERS",
    "ActivationBinarizer",
    "BadLossError",
    "Callback",
    "CheckpointPolicy",
    "EpochMetrics",
    "LayerErrors",
    "LayerSchedule",
    "MissingDataError",
    "OutOfMemoryError",
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
    "center_loss",
    "export_onnx",
    "export_packed",
    "feature_matching",
    "keep_ramp",
    "kl_distillation",
    "label_refinery",
    "latent_weights",
    "layer_errors",
    "load_packed",
    "lr_schedule",
    "make_activation_binarizer",
    "make_weight_binarizer",
    "move_centers",
    "place_at",
    "read_packed",
    "run",
    "set_binary",
    "weight_layers",
]


def __getattr__(name: str) -> object:
    """Imports a public name from its module on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'trainers' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Lists the public names, imported or not, and everything else in the module."""
    return sorted({*globals(), *__all__})
