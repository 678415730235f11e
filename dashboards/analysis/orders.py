"""Order against order: by which layer comes when, which before which, and at which epoch."""

import itertools
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dashboards.analysis.trials import Block, Trial, ViewError, trials_of
from dashboards.chosen import Chosen
from dashboards.comparison import FEWEST, LEVEL, Paired, friedman, paired
from dashboards.curves import Curve
from dashboards.natural import natural
from dashboards.runs import StudyRuns
from dashboards.statistics import Better, summarise
from orchestrator import vocabulary

NEEDS = "two rows or more that turn the same layers binary one after the other, in other orders"


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """The orders of a study, and what their trials reached.

    Args:
        title: The study's title.
        metric: The metric of the values.
        better: Which direction is better.
        layers: Names of the layers, forward.
        orders: Row to its order of layers.
        trials: The finished trials of these rows.
        planned: How many seeds the study plans; 0: not recorded.
        waiting: Rows of the study without a finished cell; until they have some, nothing is told.
    """

    title: str
    metric: str
    better: Better
    layers: tuple[str, ...]
    orders: Mapping[str, tuple[str, ...]]
    trials: tuple[Trial, ...]
    planned: int
    waiting: tuple[str, ...]

    @property
    def num_possible(self) -> int:
        """How many orders of these layers there are."""
        return math.factorial(len(self.layers))

    def by_block(self) -> pd.DataFrame:
        """Row by block, such as a seed; NaN where no cell is finished."""
        blocks: dict[Block, dict[str, float]] = {}
        for trial in self.trials:
            blocks.setdefault(trial.block, {})[trial.row] = trial.value
        table = pd.DataFrame(dict(enumerate(blocks.values())))
        return table.reindex(index=list(self.orders))

    def means(self) -> dict[str, float]:
        """Row to the mean over its finished cells."""
        table = self.by_block()
        return {str(row): float(value) for row, value in table.mean(axis=1).items()}

    def same(self) -> float:
        """Chance of ranks as different as these, if all orders are equal; NaN: cannot be told."""
        values = self.by_block().dropna(axis=1).to_numpy(dtype=np.float64)
        is_whole = values.shape[1] >= max(self.planned, FEWEST) and not self.waiting
        return friedman(values) if is_whole else math.nan

    @property
    def attrs(self) -> dict[Hashable, Any]:
        """What a frame of these orders says of itself."""
        return {
            "title": self.title,
            "metric": self.metric,
            "better": self.better,
            "num_orders": len(self.orders),
            "num_possible": self.num_possible,
            "same": self.same(),
        }


def orders_of(runs: StudyRuns, shown: Chosen) -> Orders:
    """The rows that turn all layers binary one after the other; controls are left out.

    Args:
        runs: The recorded study.
        shown: The cells, and the metric.

    Raises:
        ViewError: If there are no two such rows, or a row has several orders.
    """
    finished = trials_of(runs, shown)
    trials = [trial for trial in finished if trial.epochs_per_layer > 0]
    most = max((len(trial.order) for trial in trials), default=0)
    trials = [trial for trial in trials if len(trial.order) == most]
    orders: dict[str, tuple[str, ...]] = {}
    place = {row: number for number, row in enumerate(runs.labels())}
    for trial in sorted(trials, key=lambda trial: place.get(trial.row, math.inf)):
        orders.setdefault(trial.row, trial.order)
    same = {frozenset(order) for order in orders.values()}
    one_each = all(trial.order == orders[trial.row] for trial in trials)
    if len(orders) < 2 or len(same) > 1 or not one_each or most < 2:
        raise ViewError(f"{runs.title} lacks {NEEDS}")
    planned = runs.tags.get(vocabulary.PLANNED, "")
    forward = orders.get("forward") or tuple(sorted(next(iter(same)), key=natural))
    return Orders(
        title=runs.title,
        metric=shown.metric,
        better=shown.better,
        layers=forward,
        orders=orders,
        trials=tuple(trials),
        planned=int(planned) if planned.isdecimal() else 0,
        waiting=tuple(row for row in runs.labels() if row not in {one.row for one in finished}),
    )


def by_position(found: Orders) -> pd.DataFrame:
    """Mean over the orders in which a layer comes first, second, ..., last.

    Each order counts once, with the mean over its finished cells.

    Args:
        found: The result of `orders_of`.

    Returns:
        Layer by position, from 1; NaN where no order has the layer there.
    """
    means, size = found.means(), len(found.layers)
    groups: dict[tuple[str, int], list[float]] = {}
    for row, order in found.orders.items():
        for place, layer in enumerate(order, start=1):
            groups.setdefault((layer, place), []).append(means[row])
    frame = pd.DataFrame(
        [
            [
                summarise(groups.get((layer, place), []), better=found.better).mean
                for place in range(1, size + 1)
            ]
            for layer in found.layers
        ],
        index=pd.Index(found.layers, name="layer"),
        columns=pd.Index(range(1, size + 1), name="position"),
    )
    frame.attrs = found.attrs
    return frame


def by_pair(found: Orders) -> pd.DataFrame:
    """For each two layers: orders with one before the other, less those the other way round.

    The difference is taken within each block (a seed), of means over orders, and has a t interval
    over blocks, at 95 % for all pairs together (Bonferroni). Only blocks in which all orders are
    finished count.

    Args:
        found: The result of `orders_of`.

    Returns:
        One line for each pair, the layer that comes first forward in `before`: `before`, `after`,
        `mean`, `low`, `high`, `n` (blocks), `differs` (None: no verdict), `refusal` (why; empty
        if there is a verdict).
    """
    whole = found.by_block().dropna(axis=1)
    pairs = list(itertools.combinations(found.layers, 2))
    lines = []
    for before, after in pairs:
        first = [order.index(before) < order.index(after) for order in found.orders.values()]
        mask = np.array(first)
        values = whole.to_numpy(dtype=np.float64)
        if mask.all() or not mask.any():
            gone = f"no order has {after if mask.all() else before} before the other"
            lines.append([before, after, math.nan, math.nan, math.nan, 0, None, gone])
            continue
        one = paired(
            values[mask].mean(0),
            values[~mask].mean(0),
            planned=found.planned,
            level=LEVEL / len(pairs),
        )
        if found.waiting:
            late = f"rows without a finished cell: {len(found.waiting)}"
            one = Paired(n=one.n, mean=one.mean, refusal=late)
        lines.append([before, after, one.mean, one.low, one.high, one.n, one.differs, one.refusal])
    columns = ["before", "after", "mean", "low", "high", "n", "differs", "refusal"]
    frame = pd.DataFrame(lines, columns=columns)
    frame.attrs = found.attrs
    return frame


def under_budget(found: Orders, curves: Mapping[str, Curve]) -> pd.DataFrame:
    """The best value that each order reached within so many epochs, all of its layers binary.

    A cell's value at a budget is the best of its curve among the epochs that the budget allows, of
    those in which all layers are binary; the mean is over a row's cells.

    Args:
        found: The result of `orders_of`; its metric and direction are those of the curve.
        curves: Run to the points of its curve; of a validation error, so that the test images
            choose nothing.

    Returns:
        Row by budget, in epochs: from the first with all layers binary to the last. NaN where a
        cell of the row has no point yet.
    """
    sign = 1 if found.better == "lower" else -1
    budgets = sorted(
        {
            epoch + 1
            for trial in found.trials
            for epoch, _ in curves.get(trial.run_id, ())
            if epoch >= trial.binary_from
        }
    )
    rows: dict[str, list[list[float]]] = {row: [] for row in found.orders}
    for trial in found.trials:
        points = {epoch: sign * value for epoch, value in curves.get(trial.run_id, ())}
        best, so_far = math.inf, []
        for budget in budgets:
            value = points.get(budget - 1, math.nan)
            if budget > trial.binary_from and value < best:
                best = value
            so_far.append(sign * best if best < math.inf else math.nan)
        rows[trial.row].append(so_far)
    means = {row: np.array(values).mean(0) for row, values in rows.items() if values}
    frame = pd.DataFrame.from_dict(
        means, orient="index", columns=pd.Index(budgets, name="budget", dtype=int)
    )
    frame.index.name = "order"
    frame.attrs = found.attrs
    return frame
