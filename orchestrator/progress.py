"""How far a sweep is: counted from what the workers report."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class CellProgress:
    """One running cell."""

    name: str
    epochs: int
    done: int = 0
    objective: float = float("nan")


@dataclass(slots=True)
class Progress:
    """The state of a sweep.

    Args:
        num_cells: Cells to train in this sweep.
        epochs: Epochs they have together at most.
        clock: Seconds, monotonic.
    """

    num_cells: int
    epochs: int
    clock: Callable[[], float] = time.monotonic
    running: dict[str, CellProgress] = field(default_factory=dict)
    num_finished: int = 0
    num_failed: int = 0
    num_retries: int = 0
    best: tuple[float, str] | None = None
    _settled_epochs: int = 0
    _trained: int = 0
    _training_since: float | None = None

    def start(self, key: str, *, name: str, epochs: int) -> None:
        """A cell begins, or begins again."""
        self.running[key] = CellProgress(name=name, epochs=epochs)

    def report(
        self, key: str, *, done: int, num_new: int, spent_s: float, objective: float
    ) -> None:
        """A cell has trained `done` epochs; since its last report `num_new`, in `spent_s`."""
        cell = self.running[key]
        cell.done, cell.objective = done, objective
        self._trained += num_new
        if self._training_since is None:
            # The start of the processes is no part of the rate.
            self._training_since = self.clock() - spent_s

    def end(self, key: str, *, failed: bool) -> None:
        """A cell is over."""
        cell = self.running.pop(key)
        self._settled_epochs += cell.epochs
        if failed:
            self.num_failed += 1
            return
        self.num_finished += 1
        if self.best is None or cell.objective < self.best[0]:
            self.best = cell.objective, cell.name

    @property
    def epochs_done(self) -> int:
        """Epochs behind us; a cell that was stopped early counts as all of its epochs."""
        return self._settled_epochs + sum(cell.done for cell in self.running.values())

    @property
    def epochs_per_s(self) -> float | None:
        """Epochs trained a second by all workers together; None before there is a measure."""
        if self._training_since is None:
            return None
        passed = self.clock() - self._training_since
        return self._trained / passed if passed > 0 and self._trained > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds left if it goes on like this; None before there is a measure."""
        rate = self.epochs_per_s
        return None if rate is None else max(0, self.epochs - self.epochs_done) / rate
