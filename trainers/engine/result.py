"""The metrics of a trial: one record per epoch, and the choice of the epoch to report."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from trainers.errors import SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of a network over one split.

    Args:
        loss: Mean loss, in nats per image.
        accuracy: Fraction of images whose class has the highest score, in [0, 1].
        top5_accuracy: Fraction of images whose class is among the five highest scores. None: there
            are five classes or fewer, or an earlier version, which did not measure it, trained the
            epoch.
    """

    loss: float
    accuracy: float
    top5_accuracy: float | None = None

    @property
    def error(self) -> float:
        """1 - accuracy."""
        return 1.0 - self.accuracy


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentStatistics:
    """Statistics of one layer's latent weight after an epoch; both are fractions in [0, 1].

    Args:
        signs_flipped: Fraction of weights whose sign changed during the epoch.
        near_zero: Fraction of weights below 5 % of the layer's mean magnitude, which a small step
            could flip.
    """

    signs_flipped: float
    near_zero: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """The metrics of one epoch.

    Args:
        epoch: Counted from 0.
        lr: Learning rate used.
        binary: Layers that computed with binary weights.
        train: Scores of the training batches, taken during training.
        validation: Scores after the epoch, in evaluation mode.
        test: Scores after the epoch, in evaluation mode; never used to choose anything. None: not
            measured.
        latent: Statistics of the latent weights, by layer.
        wall_s: Duration of the epoch in seconds, including evaluation.
        time_ms: Unix time at the end of the epoch, in milliseconds; never changed later.
        source: Name of the trial that trained the epoch, if this trial took it from a shared
            checkpoint; empty: this trial.
    """

    epoch: int
    lr: float
    binary: tuple[str, ...]
    train: Scores
    validation: Scores
    test: Scores | None
    latent: Mapping[str, LatentStatistics]
    wall_s: float
    time_ms: int
    source: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Returns plain values, the form that a checkpoint stores."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "EpochMetrics":
        """The inverse of `to_mapping`."""
        parts = dict(mapping)
        for split in ("train", "validation", "test"):
            parts[split] = None if parts[split] is None else Scores(**parts[split])
        parts["latent"] = {
            layer: LatentStatistics(**values) for layer, values in parts["latent"].items()
        }
        return cls(**{**parts, "binary": tuple(parts["binary"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """A finished trial.

    Args:
        epochs: Every epoch, from 0.
        final_from: First epoch in which the network has its final form: the same layers are binary
            as in the last epoch.
        model: The network after the last epoch, with its binarizers attached.
        weights_sha256: Digest of all its weights and statistics after the last epoch.
        epochs_before: Number of epochs of the stages before.
    """

    epochs: tuple[EpochMetrics, ...]
    final_from: int
    weights_sha256: str
    model: nn.Module = field(compare=False, repr=False)
    epochs_before: int = 0

    @property
    def selected(self) -> EpochMetrics:
        """The epoch to report: lowest validation error from `final_from` on."""
        return selected(self.epochs, final_from=self.final_from)

    @property
    def last(self) -> EpochMetrics:
        """The last epoch."""
        return self.epochs[-1]

    @property
    def best_on_test(self) -> EpochMetrics:
        """The epoch with the lowest test error of its stage, which the published protocol reports.

        Only for comparison with published figures: the test images choose the epoch they are
        measured on, and it may come before the last layer became binary.

        Raises:
            SpecError: If the test part was not measured.
        """
        return best_on_test(self.epochs[self.epochs_before :])


def selected(epochs: Sequence[EpochMetrics], *, final_from: int) -> EpochMetrics:
    """Returns the epoch with the lowest validation error from `final_from` on; first of equals."""
    return _lowest(epochs[final_from:], lambda metrics: metrics.validation.error)


def best_on_test(epochs: Sequence[EpochMetrics]) -> EpochMetrics:
    """Returns the epoch with the lowest test error of all; the first of equals.

    Raises:
        SpecError: If the test part was not measured.
    """

    def error(metrics: EpochMetrics) -> float:
        if metrics.test is None:
            raise SpecError("no epoch is best on test: measure_test was false")
        return metrics.test.error

    return _lowest(epochs, error)


def _lowest(
    epochs: Sequence[EpochMetrics], value: Callable[[EpochMetrics], float]
) -> EpochMetrics:
    def key(metrics: EpochMetrics) -> float:
        return value(metrics) if not math.isnan(value(metrics)) else math.inf

    return min(epochs, key=key)
