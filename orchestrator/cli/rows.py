"""The rows of a study's matrix while its cells are trained: counts, validation errors, curves.

A row is computed again when one of its cells has changed, so that 10,000 cells cost little.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from orchestrator import vocabulary
from orchestrator.labels import row_name, row_of
from orchestrator.mlflow_reader.overview import CURVE, MOST_POINTS, CellNow, Curve, Switch
from orchestrator.vocabulary import State

FINAL = f"{vocabulary.SELECTED}/validation_error"


@dataclass(slots=True)
class Row:
    """One row of the matrix.

    Args:
        name: Its label.
        cells: Its cells by their places in the study.
        counts: How many cells are in each state.
        errors: Validation errors of the finished cells; of those that run, if none is finished.
        mean: Their mean; NaN if there are none.
        std: Their sample standard deviation; NaN for fewer than two finished cells.
        is_final: Whether the errors are those of finished cells.
        curve: The mean of its cells' curves, part by part.
        num_parts: In how many parts the curve divides the planned epochs.
        low: The lowest value of the curve; infinite without one.
        high: The highest; minus infinity without one.
        epochs: Epochs planned for one of its cells.
        all_epochs: The same for all of them together.
        epochs_done: How many of these are behind them.
        switches: When the layers of the cell that is furthest turned binary.
    """

    name: str
    cells: dict[int, CellNow] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Sequence[float] = ()
    mean: float = math.nan
    std: float = math.nan
    is_final: bool = False
    curve: Curve = ()
    num_parts: int = 1
    low: float = math.inf
    high: float = -math.inf
    epochs: int = 0
    all_epochs: int = 0
    epochs_done: int = 0
    switches: tuple[Switch, ...] = ()

    @property
    def num_running(self) -> int:
        """How many of its cells run."""
        return self.counts[State.RUNNING]

    @property
    def is_over(self) -> bool:
        """Whether all of its cells are finished or have failed."""
        return self.counts[State.FINISHED] + self.counts[State.FAILED] == len(self.cells)

    def states(self) -> list[str]:
        """The states of its cells in the study's order."""
        return [self.cells[place].state for place in sorted(self.cells)]

    def count(self) -> None:
        """Brings all but the cells up to date."""
        cells = list(self.cells.values())
        self.counts = Counter(cell.state for cell in cells)
        final = [error for cell in cells if (error := _final(cell)) is not None]
        now = [cell.metrics[CURVE] for cell in cells if _is_on_its_way(cell)]
        self.is_final = bool(final)
        self.errors = final or now
        self.mean = fmean(self.errors) if self.errors else math.nan
        self.std = stdev(final) if len(final) > 1 else math.nan
        self.epochs = max((cell.epochs for cell in cells), default=0)
        self.all_epochs = sum(cell.epochs for cell in cells)
        self.epochs_done = sum(map(_done, cells))
        self.num_parts = min(MOST_POINTS, max(1, self.epochs))
        self.curve = _mean_curve([cell.curve for cell in cells if cell.curve])
        known = [value for value in self.curve if value is not None]
        self.low, self.high = min(known, default=math.inf), max(known, default=-math.inf)
        self.switches = max(cells, key=lambda cell: (len(cell.switches), cell.epoch)).switches


class Rows:
    """The rows of a study's matrix, in the study's order.

    Args:
        rows: The axis whose labels are the rows.
        over: The axis over which a row has several cells; empty: none.
    """

    def __init__(self, rows: str, over: str) -> None:
        self.axis, self.over = rows, over
        self.counts: Counter[str] = Counter()
        self.num_cells = self.epochs = self.epochs_done = 0
        self._rows: dict[tuple[str, ...], Row] = {}

    def __iter__(self) -> Iterator[Row]:
        """The rows."""
        return iter(self._rows.values())

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def update(self, changed: Iterable[tuple[int, CellNow]]) -> None:
        """Takes over what has changed.

        Args:
            changed: Place in the study and the cell.
        """
        touched: dict[int, Row] = {}
        for place, cell in changed:
            row = self._row(cell.labels)
            row.cells[place] = cell
            touched[id(row)] = row
        for row in touched.values():
            self.counts -= row.counts
            row.count()
            self.counts += row.counts
        if touched:
            self.num_cells = self.counts.total()
            self.epochs = sum(row.all_epochs for row in self)
            self.epochs_done = sum(row.epochs_done for row in self)

    def scale(self) -> tuple[float, float]:
        """The lowest and the highest value of all curves; (0, 0) without any."""
        low = min((row.low for row in self), default=math.inf)
        return (low, max(row.high for row in self)) if low < math.inf else (0.0, 0.0)

    def _row(self, labels: Mapping[str, str]) -> Row:
        key = row_of(labels, self.axis, self.over)
        if key not in self._rows:
            self._rows[key] = Row(row_name(key))
        return self._rows[key]


def _final(cell: CellNow) -> float | None:
    return cell.metrics.get(FINAL) if cell.state == State.FINISHED else None


def _is_on_its_way(cell: CellNow) -> bool:
    return cell.state == State.RUNNING and CURVE in cell.metrics


def _done(cell: CellNow) -> int:
    """Epochs that need not be waited for; a cell that was stopped early counts as a whole."""
    is_over = cell.state in (State.FINISHED, State.FAILED)
    return cell.epochs if is_over else min(cell.epoch, cell.epochs)


def _mean_curve(curves: Sequence[Curve]) -> Curve:
    """Means part by part, of the curves that go so far."""
    parts: list[float | None] = []
    for part in range(max(map(len, curves), default=0)):
        values = [v for curve in curves if part < len(curve) and (v := curve[part]) is not None]
        parts.append(fmean(values) if values else None)
    return tuple(parts)
