"""What several tests of `trainers` build: specs as mappings, tiny data, tasks, epochs by hand."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarize_weights
from trainers.binarize.schedule import LayerSchedule
from trainers.build import build_model
from trainers.data.splits import Split, Splits
from trainers.engine.result import EpochMetrics, LatentStatistics, Scores
from trainers.engine.task import Task
from trainers.losses import cross_entropy
from trainers.models.init import initialise
from trainers.optim.optimizers import constant, sgd
from trainers.spec.train_spec import TrainSpec

MAPPING: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 20, 12, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.01},
    "weights": {"name": "sign"},
    "layers": {"order": ["fc2", "fc1"], "epochs_per_layer": 2},
    "epochs": 5,
    "seed": 7,
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Layers that a test makes by itself have the same first weights, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def make_mapping() -> Callable[..., dict[str, Any]]:
    """A complete trial as a study file has it, with some keys replaced; None leaves a key out."""

    def make(**changes: Any) -> dict[str, Any]:
        mapping = copy.deepcopy(MAPPING) | changes
        return {key: value for key, value in mapping.items() if value is not None}

    return make


@pytest.fixture
def make_spec(make_mapping: Callable[..., dict[str, Any]]) -> Callable[..., TrainSpec]:
    def make(**changes: Any) -> TrainSpec:
        return TrainSpec.from_mapping(make_mapping(**changes))

    return make


@pytest.fixture
def make_split() -> Callable[..., Split]:
    """Images 1x3x3 in three classes, drawn anew from each seed."""

    def make(size: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Split:
        source = torch.Generator().manual_seed(seed)
        images = torch.randn(size, 1, 3, 3, generator=source, dtype=dtype)
        return Split(images=images, labels=torch.arange(size) % 3)

    return make


@pytest.fixture
def make_task(make_split: Callable[..., Split]) -> Callable[..., Task]:
    """A task on 20 training images; every part can be replaced."""

    def make(**changes: Any) -> Task:
        dtype = changes.pop("dtype", torch.float32)
        options = changes.pop("weights", {})
        model: nn.Module = build_model("mlp", widths=[9, 6, 3])
        initialise(model, torch.Generator().manual_seed(3))
        model.to(dtype)
        binarize_weights(model, ["fc1", "fc2"], "sign", **options)
        lr = changes.pop("rate", 0.1)
        parts: dict[str, Any] = {
            "model": model,
            "optimizer": sgd(model.parameters(), lr=lr),
            "loss": cross_entropy(),
            "splits": Splits(
                train=make_split(20, seed=1, dtype=dtype),
                validation=make_split(9, seed=2, dtype=dtype),
                test=make_split(6, seed=3, dtype=dtype),
            ),
            "schedule": LayerSchedule(order=("fc2", "fc1"), epochs_per_layer=1),
            "lr": constant(lr),
            "epochs": 3,
            "batch_size": 8,
            "eval_batch_size": 4,
            "seed": 5,
            "autocast": nullcontext(),
        }
        return Task(**(parts | changes))

    return make


@pytest.fixture
def make_metrics() -> Callable[..., EpochMetrics]:
    """One epoch by hand, of the given errors."""

    def make(epoch: int, *, validation: float = 0.5, test: float = 0.5) -> EpochMetrics:
        return EpochMetrics(
            epoch=epoch,
            lr=0.1,
            binary=("fc1", "fc2"),
            train=Scores(loss=1.5, accuracy=0.25),
            validation=Scores(loss=1.25, accuracy=1 - validation),
            test=Scores(loss=1.125, accuracy=1 - test),
            latent={"fc1": LatentStatistics(signs_flipped=0.125, near_zero=0.0625)},
            wall_s=0.75,
            time_ms=1_700_000_000_000 + epoch,
        )

    return make


@pytest.fixture
def untimed() -> Callable[[EpochMetrics], dict[str, Any]]:
    """An epoch without what the clock says: what two equal runs must agree in."""

    def strip(metrics: EpochMetrics) -> dict[str, Any]:
        times = ("wall_s", "time_ms")
        return {key: value for key, value in metrics.to_mapping().items() if key not in times}

    return strip


@pytest.fixture
def same_bits() -> Callable[[Tensor, Tensor], bool]:
    """Whether two tensors hold the same bytes, so that -0.0 is not +0.0 and NaN is NaN."""

    def same(left: Tensor, right: Tensor) -> bool:
        def content(tensor: Tensor) -> bytes:
            return tensor.detach().cpu().contiguous().numpy().tobytes()

        return (left.shape, left.dtype) == (right.shape, right.dtype) and content(left) == content(
            right
        )

    return same
