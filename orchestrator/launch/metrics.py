"""Turns the engine's measurements into named metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator import vocabulary
from orchestrator.percent import in_percent
from trainers.engine.result import EpochMetrics, best_on_test, selected
from trainers.spec.train_spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Series:
    """Metric name to value for one epoch, with the time of measurement, Unix time in ms."""

    step: int
    time_ms: int
    values: Mapping[str, float]


def curve_points(metrics: EpochMetrics) -> Series:
    """One point of every curve, for one epoch."""
    values: dict[str, float] = {
        "lr": metrics.lr,
        "binary/layers": float(len(metrics.binary)),
        "epoch_s": metrics.wall_s,
    }
    for split in vocabulary.SPLITS:
        scores = getattr(metrics, split)
        if scores is None:
            continue
        for name in vocabulary.SPLIT_METRICS:
            value = getattr(scores, name)
            if value is not None:
                values[f"{split}/{name}"] = value
    for layer, statistics in metrics.latent.items():
        of_layer = {
            "binary": float(layer in metrics.binary),
            "signs_flipped": statistics.signs_flipped,
            "near_zero": statistics.near_zero,
        }
        for name, value in of_layer.items():
            values[vocabulary.LAYER_CURVES[name].format(layer=layer)] = value
    return Series(metrics.epoch, metrics.time_ms, values)


def summary_points(
    epochs: Sequence[EpochMetrics], *, final_from: int, epochs_before: int = 0
) -> Series:
    """The summary metrics of a trial; see `vocabulary.SUMMARIES` and `IN_PERCENT`.

    Args:
        epochs: Its epochs so far.
        final_from: First epoch in which the network has its final form.
        epochs_before: Epochs of the stages before; the test set chooses none of them.
    """
    which = {
        vocabulary.SELECTED: selected(epochs, final_from=min(final_from, len(epochs) - 1)),
        vocabulary.LAST: epochs[-1],
    }
    if epochs[-1].test is not None:
        which[vocabulary.BEST_ON_TEST] = best_on_test(epochs[epochs_before:] or epochs)
    values: dict[str, float] = {}
    for prefix, metrics in which.items():
        curves = {**curve_points(metrics).values, "epoch": float(metrics.epoch)}
        # selected/test_error is the epoch's test/error.
        for name in (name for name in vocabulary.SUMMARIES if name.startswith(f"{prefix}/")):
            curve = name.removeprefix(f"{prefix}/").replace("_", "/", 1)
            if curve in curves:
                values[name] = curves[curve]
    values |= in_percent(values)
    return Series(epochs[-1].epoch, epochs[-1].time_ms, values)


def began_from(epochs: Sequence[EpochMetrics], stages: Sequence[TrainSpec]) -> tuple[str, ...]:
    """Which epoch of each finished stage handed on its weights, in words; of one stage nothing.

    Epochs are counted from 1.
    """
    found: list[str] = []
    for number, stage in enumerate(stages[:-1], 1):
        first, last = stage.epochs_before, stage.all_epochs - 1
        if last >= len(epochs):
            break
        best = selected(epochs[: last + 1], final_from=first + stage.final_from)
        error = f"validation error {best.validation.error:.4f}"
        place = f"epoch {best.epoch + 1} of {first + 1} to {last + 1}"
        found.append(f"stage {number}: {place}, {error}")
    return tuple(found)


def objective(epochs: Sequence[EpochMetrics], *, final_from: int) -> float:
    """The value that searchers and schedulers minimise; it never depends on the test set.

    It is the lowest validation error among epochs of the final network; before the network is
    final, the current epoch's.
    """
    start = min(final_from, len(epochs) - 1)
    return selected(epochs, final_from=start).validation.error
