"""What a network loses when one layer alone is binary, and the orders that follow from it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from dashboards.analysis.rates import by_rate, rate_curves
from dashboards.analysis.trials import ViewError, trials_of
from dashboards.chosen import Chosen
from dashboards.runs import StudyRuns
from dashboards.stages import best_of
from dashboards.statistics import Better

NEEDS = "rows of which each turns one other layer binary, and an axis of learning rates"

Layer = TypeVar("Layer", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """The losses of single layers.

    Args:
        table: Layer by learning rate, fractions; NaN where no cell is finished. Rates from large
            to small. Its `attrs` hold `title`, `metric` and `better`.
        names: Row to the name of its layer.
        best: Row to the rate with the best mean, and that mean.
        ascending: Rows from the least to the most sensitive layer; in a tie the earlier row first.
        missing: Rows without a finished cell; the orders lack them.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    best: Mapping[str, tuple[str, float]]
    ascending: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def descending(self) -> tuple[str, ...]:
        """From the most to the least sensitive layer."""
        return self.ascending[::-1]


def sensitivity(runs: StudyRuns, shown: Chosen) -> Sensitivity:
    """Reads the losses of single layers off a study's cells.

    Args:
        runs: The recorded study.
        shown: The cells, and the metric.

    Raises:
        ViewError: If the rows are not single layers, or there is no axis of learning rates.

    Source: arXiv:2111.07046, sec. 4; the published code leaves the ranking to the reader.
    """
    names: dict[str, str] = {}
    for trial in trials_of(runs, shown):
        if len(trial.order) != 1 or names.setdefault(trial.row, trial.order[0]) != trial.order[0]:
            raise ViewError(f"{runs.title} lacks {NEEDS}")
    if len(set(names.values())) < len(names):
        raise ViewError(f"{runs.title} lacks {NEEDS}")
    table = by_rate(rate_curves(runs, shown), rows=runs.labels())
    best = best_of(table)
    missing = tuple(row for row in runs.labels() if row not in best)
    return Sensitivity(
        table=table,
        names=names,
        best=best,
        ascending=ascending({row: value for row, (_, value) in best.items()}, shown.better),
        missing=missing,
    )


def ascending(losses: Mapping[Layer, float], better: Better = "lower") -> tuple[Layer, ...]:
    """Layers from the least to the most sensitive; in a tie in the order of the mapping.

    Args:
        losses: Layer to the best value with it alone binary.
        better: Which direction of the values is better.
    """
    sign = 1 if better == "lower" else -1
    return tuple(sorted(losses, key=lambda layer: sign * losses[layer]))
