"""How far a sweep is: counted from what the workers report."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class CellProgress:
    """One running cell; `inherited` of its epochs were trained by others."""

    name: str
    epochs: int
    inherited: int = 0
    done: int = 0
    objective: float = float("nan")


@dataclass(slots=True)
class Progress:
    """The state of a sweep.

    Args:
        num_cells: Cells to train in this sweep.
        epochs: Epochs to train for them together at most.
        inherited: Epochs that each begins with if nothing fails, trained by others, by key; left
            out where there are none. They are not among `epochs`.
        clock: Seconds, monotonic.
    """

    num_cells: int
    epochs: int
    inherited: Mapping[str, int] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    running: dict[str, CellProgress] = field(default_factory=dict)
    num_finished: int = 0
    num_failed: int = 0
    num_retries: int = 0
    num_elsewhere: int = 0
    best: tuple[float, str] | None = None
    _settled_epochs: int = 0
    _trained: int = 0
    _training_since: float | None = None

    def start(self, key: str, *, name: str, epochs: int) -> None:
        """A cell begins, or begins again."""
        cell = CellProgress(name=name, epochs=epochs, inherited=self.inherited.get(key, 0))
        if key in self.running:
            self._expect(self.running[key], inherited=cell.inherited)
        self.running[key] = cell

    def report(
        self,
        key: str,
        *,
        done: int,
        num_new: int,
        spent_s: float,
        objective: float,
        inherited: int = 0,
    ) -> None:
        """A cell has come through `done` epochs, of which others trained `inherited`.

        Since its last report it has trained `num_new`, in `spent_s`.
        """
        cell = self.running[key]
        # Known at once: those that others trained come first. Fewer than planned are more to do.
        if done > inherited or inherited > cell.inherited:
            self._expect(cell, inherited=inherited)
        cell.done, cell.objective = done, objective
        self._trained += num_new
        if self._training_since is None:
            # The start of the processes is no part of the rate.
            self._training_since = self.clock() - spent_s

    def end(self, key: str, *, failed: bool) -> None:
        """A cell is over."""
        cell = self.running.pop(key)
        self._settled_epochs += cell.epochs - cell.inherited
        if failed:
            self.num_failed += 1
            return
        self.num_finished += 1
        if self.best is None or cell.objective < self.best[0]:
            self.best = cell.objective, cell.name

    def trained_elsewhere(self, key: str, *, epochs: int) -> None:
        """Another sweep has trained a cell meanwhile."""
        self.num_elsewhere += 1
        self.epochs -= epochs - self.inherited.get(key, 0)

    @property
    def is_over(self) -> bool:
        """Whether every cell came to its end, well or not, here or elsewhere."""
        return self.num_finished + self.num_failed + self.num_elsewhere >= self.num_cells

    @property
    def epochs_done(self) -> int:
        """Epochs behind us; a cell that was stopped early counts as all of its epochs."""
        running = sum(max(0, cell.done - cell.inherited) for cell in self.running.values())
        return self._settled_epochs + running

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

    def _expect(self, cell: CellProgress, *, inherited: int) -> None:
        """The cell turns out to have so many epochs of others."""
        self.epochs += cell.inherited - inherited
        cell.inherited = inherited
