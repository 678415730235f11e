"""Trains a recorded cell again, and says in which epoch it first differs from the record."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.recorded_run import RecordedRun
from orchestrator import vocabulary
from trainers.errors import Fault, SpecError
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run

if TYPE_CHECKING:
    from trainers.engine.result import EpochMetrics

EpochValues = Callable[["EpochMetrics"], Mapping[str, float]]
"""From an epoch to the values of its curves, under their names in MLflow."""
NOT_OF_TRAINING = ("epoch_s",)
"""Curves that no second training repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Apart:
    """A value that is not the recorded one.

    Args:
        name: The curve, such as `signs_flipped/fc1`.
        recorded: What is recorded.
        here: What was trained here.
    """

    name: str
    recorded: float
    here: float

    @property
    def layer(self) -> str:
        """The layer that the curve is of; empty: the whole network."""
        for curve in vocabulary.LAYER_CURVES.values():
            head = curve.format(layer="")
            if self.name.startswith(head) and self.name not in vocabulary.CURVES:
                return self.name.removeprefix(head)
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """How training again ended.

    Args:
        epochs: How many epochs were trained.
        compared: How many of them have recorded values.
        apart: The values that differ in the first epoch with a difference, in that epoch; empty:
            all recorded values are the same.
        weights: The digest of the final weights; empty if training stopped before.
        recorded_weights: The recorded digest; empty: not recorded.
    """

    epochs: int
    compared: int
    apart: tuple[Apart, ...]
    weights: str = ""
    recorded_weights: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers with a value that differs, in the network's order."""
        return tuple(dict.fromkeys(one.layer for one in self.apart if one.layer))

    @property
    def is_same(self) -> bool:
        """Whether nothing that is recorded differs."""
        is_known = bool(self.weights and self.recorded_weights)
        return not self.apart and (not is_known or self.weights == self.recorded_weights)


class _Stopped(Exception):
    """Ends the training."""


def replay(
    recorded: RecordedRun,
    values_of: EpochValues,
    *,
    options: RunOptions,
    on_epoch: Callable[["EpochMetrics", bool], None],
) -> Replayed:
    """Trains the cell's trial to the first epoch that differs, or to its end; records nothing.

    Args:
        recorded: The cell with its curves.
        values_of: Names an epoch's values.
        options: How to train; no checkpoint is read or written.
        on_epoch: Told each epoch, and whether it is as recorded.

    Raises:
        SpecError: If the trial was not recorded, or cannot be read any more.
    """
    spec = _spec(recorded)
    points = {name: dict(curve) for name, curve in recorded.curves.items()}
    if not points and not recorded.cell.weights_sha256:
        what = "has neither a curve nor weights to compare with"
        raise SpecError(Fault(recorded.cell.run_id, what, "name a cell that has trained an epoch"))
    seen: list[int] = []
    found: list[Apart] = []

    class Compares:
        """Compares each epoch at its end."""

        def on_epoch_end(self, metrics: "EpochMetrics") -> None:
            """Stops at the first difference."""
            apart, compared = _apart(points, metrics.epoch, values_of(metrics))
            seen.append(compared)
            on_epoch(metrics, not apart)
            if apart:
                found.extend(apart)
                raise _Stopped

    try:
        weights = run(spec, [Compares()], options=options).weights_sha256
    except _Stopped:
        weights = ""
    return Replayed(
        epochs=len(seen),
        compared=sum(number > 0 for number in seen),
        apart=tuple(found),
        weights=weights,
        recorded_weights=recorded.cell.weights_sha256,
    )


def _spec(recorded: RecordedRun) -> TrainSpec:
    trained: dict[str, Any] = recorded.cell.trained
    if not trained:
        what = "does not say what it trained: its tag was changed, or an earlier version made it"
        raise SpecError(Fault(recorded.cell.run_id, what, "sweep the study again"))
    try:
        return TrainSpec.from_mapping(trained)
    except SpecError as error:
        raise SpecError(*error.under(recorded.cell.run_id)) from error


def _apart(
    points: Mapping[str, Mapping[int, float]], epoch: int, values: Mapping[str, float]
) -> tuple[list[Apart], int]:
    """The values of an epoch that differ, and how many are recorded."""
    both = {
        name: (points[name][epoch], here)
        for name, here in values.items()
        if name not in NOT_OF_TRAINING and epoch in points.get(name, {})
    }
    apart = [
        Apart(name=name, recorded=before, here=here)
        for name, (before, here) in both.items()
        if before != here and not (math.isnan(before) and math.isnan(here))
    ]
    return apart, len(both)
