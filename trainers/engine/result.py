"""What a trial measures: a record an epoch, and the epochs that are reported."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from trainers.errors import SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What a network scores over one split.

    Args:
        loss: Mean, in nats an image.
        accuracy: Share of images whose class has the highest score, in [0, 1].
        top5_accuracy: Share of those whose class is among the five highest; None: there are five
            classes or fewer, or an earlier version measured them, which did not.
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
    """The latent weight of one layer at the end of an epoch; both are fractions in [0, 1].

    Args:
        signs_flipped: Share of weights whose sign is not that of the epoch before (before the
            first: of the initial weights).
        near_zero: Share of weights below 5 % of the layer's mean magnitude: those a small step
            could flip.
    """

    signs_flipped: float
    near_zero: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """One epoch.

    Args:
        epoch: Counted from 0.
        lr: Learning rate used.
        binary: Layers that computed with binary weights.
        train: Over the training batches, as they were seen while training.
        validation: After the epoch, in evaluation mode.
        test: After the epoch, in evaluation mode; nothing is chosen by it. None: not measured.
        latent: By layer.
        wall_s: Seconds the epoch took, evaluation included.
        time_ms: Unix time at its end, in milliseconds; made once, here.
        source: What the trial is called that trained the epoch, where it was another one that
            left its state for this trial to begin with; empty: this one.
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
        """Plain values, as a checkpoint keeps them."""
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
        final_from: First epoch in which the same layers are binary as in the last one. Only
            from here on is the network the one the trial asked for.
        model: The network after the last epoch, binarizers attached.
        weights_sha256: Digest of all its weights and statistics after the last epoch.
    """

    epochs: tuple[EpochMetrics, ...]
    final_from: int
    weights_sha256: str
    model: nn.Module = field(compare=False, repr=False)

    @property
    def selected(self) -> EpochMetrics:
        """The epoch to report: lowest validation error among those of the final network."""
        return selected(self.epochs, final_from=self.final_from)

    @property
    def last(self) -> EpochMetrics:
        """The last epoch."""
        return self.epochs[-1]

    @property
    def best_on_test(self) -> EpochMetrics:
        """The epoch of lowest test error among all, as the published protocol reports it.

        It is chosen by the very images it is measured on, and may lie before the last layer
        turned binary: for comparison with published figures only.

        Raises:
            SpecError: If the test part was not measured.
        """
        return best_on_test(self.epochs)


def selected(epochs: Sequence[EpochMetrics], *, final_from: int) -> EpochMetrics:
    """The epoch of lowest validation error from `final_from` on; the earliest of equals."""
    return _lowest(epochs[final_from:], lambda metrics: metrics.validation.error)


def best_on_test(epochs: Sequence[EpochMetrics]) -> EpochMetrics:
    """The epoch of lowest test error among all; the earliest of equals.

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
