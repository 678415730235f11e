"""Estimates, before anything runs, how long trials take on CPU cores."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.study.cells import Cell
    from trainers.spec.train_spec import TrainSpec

# Measured on one core of a server from 2024; only the order of magnitude matters.
FLOPS_A_SECOND = 8e10
SECONDS_A_STEP = 4e-4
SECONDS_A_BINARY_LAYER = 4e-5
SECONDS_A_BINARY_WEIGHT = 4.5e-10
"""What a step takes longer for each layer that is binary, and for each of its weights."""


def rough_seconds(trials: "Iterable[Cell]", *, num_cores: int) -> float:
    """Estimated seconds for these trials on `num_cores` cores, each trial on one core."""
    return sum(_trial_seconds(trial) for trial in trials) / num_cores


def duration(seconds: float) -> str:
    """Seconds as readable text: 40 s, 12 min, 3.5 h, 4 d, 10 years."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds < 3 * 365 * 86400:
        return f"{seconds / 86400:.0f} d"
    return f"{seconds / (365 * 86400):.0f} years"


def _trial_seconds(trial: "Cell") -> float:
    return sum(stage.epochs * epoch_seconds(stage) for stage in trial.train.stages)


def epoch_seconds(train: "TrainSpec") -> float:
    """Estimated seconds of an epoch of one stage on one core."""
    # Imported here, because `duration` does not need torch.
    from orchestrator.planning.flops import forward_flops
    from trainers.data import SOURCES

    data = train.data
    images = SOURCES[data.source.name].facts(data.source.options).num_train
    # A backward pass costs about two forward ones.
    work = 3 * forward_flops(train.model, data.source) * images
    steps = images / data.batch_size
    return work / FLOPS_A_SECOND + steps * SECONDS_A_STEP


def seconds_a_binary_layer(train: "TrainSpec") -> float:
    """Estimated seconds on one core that an epoch of a stage takes longer for a binary layer."""
    from orchestrator.planning.flops import layer_weights
    from trainers.data import SOURCES

    data = train.data
    steps = SOURCES[data.source.name].facts(data.source.options).num_train / data.batch_size
    numbers = layer_weights(train.model)
    weights = sum(numbers) / max(1, len(numbers))
    return steps * (SECONDS_A_BINARY_LAYER + SECONDS_A_BINARY_WEIGHT * weights)
