"""What recorded cells trained, as the facts that views ask for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.chosen import Chosen
from dashboards.runs import NoResultsError, StudyRuns
from orchestrator import vocabulary

Block = tuple[str, ...]


class ViewError(NoResultsError):
    """A view does not fit the study; the message says what it needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A finished cell, and what it trained; of a trial in stages, the last one.

    Args:
        run_id: MLflow's run.
        row: Its row in the matrix.
        block: Its labels on all other axes, such as its seed; trials of one block are pairs.
        labels: Axis name to label.
        value: The metric; NaN: it has none.
        order: Names of its binary layers, in the order in which they turn binary.
        epochs_per_layer: Epochs between two of them; 0: all from the first epoch.
        rate: Learning rate; None: not recorded.
        weights: The weight binarizer's name and options; those at their defaults are left out.
        rest: The trial without seed, weights and layers.
    """

    run_id: str
    row: str
    block: Block
    labels: Mapping[str, str]
    value: float
    order: tuple[str, ...]
    epochs_per_layer: int
    rate: float | None
    weights: Mapping[str, Any]
    rest: Mapping[str, Any]

    @property
    def binary_from(self) -> int:
        """The first epoch in which all of its layers are binary."""
        return max(0, len(self.order) - 1) * self.epochs_per_layer


def trials_of(runs: StudyRuns, shown: Chosen) -> list[Trial]:
    """The trials of cells, oldest first.

    Raises:
        ViewError: If a cell does not say what it trained.
    """
    rows = runs.tags[vocabulary.ROWS_AXIS]
    trials = []
    for cell in shown.cells:
        trained = cell.trained
        layers, rate = _part(trained, "layers"), _part(trained, "optimizer").get("lr")
        order, pace = layers.get("order"), layers.get("epochs_per_layer", 0)
        if not isinstance(order, list) or not isinstance(pace, int) or rows not in cell.labels:
            what = f"the tag {vocabulary.TRAIN} of run {cell.run_id} was changed in MLflow"
            raise ViewError(f"{runs.title}: {what}; only the matrix can be shown")
        left_out = ("seed", "weights", "layers")
        trials.append(
            Trial(
                run_id=cell.run_id,
                row=cell.labels[rows],
                block=tuple(cell.labels[axis] for axis in sorted(cell.labels) if axis != rows),
                labels=cell.labels,
                value=cell.metrics.get(shown.metric, math.nan),
                order=tuple(str(layer) for layer in order),
                epochs_per_layer=pace,
                rate=float(rate) if isinstance(rate, int | float) else None,
                weights=_part(trained, "weights"),
                rest={key: part for key, part in trained.items() if key not in left_out},
            )
        )
    return trials


def _part(trained: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = trained.get(name)
    return part if isinstance(part, Mapping) else {}
