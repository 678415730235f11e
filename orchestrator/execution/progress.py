"""Counts the progress of a sweep from the workers' reports."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.planning.forecast import Epoch, Forecast
from orchestrator.planning.workload import Work


@dataclass(slots=True)
class CellProgress:
    """One running cell; other cells trained `inherited` of its epochs."""

    name: str
    epochs: int
    inherited: int = 0
    done: int = 0
    objective: float = float("nan")


@dataclass(slots=True)
class Progress:
    """The progress of a sweep.

    Args:
        num_cells: Cells to train in this sweep.
        epochs: Most epochs to train for all of them together.
        inherited: Key to the epochs that other cells train for a cell if nothing fails; cells
            without any are omitted. `epochs` does not include them.
        clock: A monotonic clock, in seconds.
        forecast: How long what is left takes; None: as long as the epochs so far.
    """

    num_cells: int
    epochs: int
    inherited: Mapping[str, int] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    forecast: Forecast | None = None
    running: dict[str, CellProgress] = field(default_factory=dict)
    num_finished: int = 0
    num_failed: int = 0
    num_retries: int = 0
    num_elsewhere: int = 0
    best: tuple[float, str] | None = None
    _settled_epochs: int = 0
    _trained: int = 0
    _training_since: float | None = None

    def start(self, key: str, *, name: str, epochs: int, work: Callable[[], Work] = tuple) -> None:
        """A cell starts or restarts; `work` gives its epochs, if a search has drawn it."""
        if self.forecast is not None:
            self.forecast.start(key, work)
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
        new: Sequence[Epoch] = (),
    ) -> None:
        """A cell has completed `done` epochs, of which other cells trained `inherited`.

        Since its last report it has trained `num_new` epochs in `spent_s` seconds: `new`.
        """
        if self.forecast is not None:
            self.forecast.report(key, done=done, epochs=new)
        cell = self.running[key]
        # Inherited epochs come first, so the number is known now. If it is lower than planned,
        # this cell must train more.
        if done > inherited or inherited > cell.inherited:
            self._expect(cell, inherited=inherited)
        cell.done, cell.objective = done, objective
        self._trained += num_new
        if self._training_since is None:
            # The rate excludes the start of the processes.
            self._training_since = self.clock() - spent_s

    def end(self, key: str, *, failed: bool) -> None:
        """A cell has finished or failed."""
        if self.forecast is not None:
            self.forecast.end(key)
        cell = self.running.pop(key)
        self._settled_epochs += cell.epochs - cell.inherited
        if failed:
            self.num_failed += 1
            return
        self.num_finished += 1
        if self.best is None or cell.objective < self.best[0]:
            self.best = cell.objective, cell.name

    def give_back(self, key: str) -> None:
        """A cell waits again, as if it had not been started."""
        if self.forecast is not None:
            self.forecast.give_back(key)
        self._expect(self.running.pop(key), inherited=self.inherited.get(key, 0))

    def expect_no_more(self) -> None:
        """No cell is begun any more: a search found no other trial."""
        if self.forecast is not None:
            self.forecast.expect_no_more()
        self.num_cells = self.num_finished + self.num_failed + self.num_elsewhere

    def trained_elsewhere(self, key: str, *, epochs: int) -> None:
        """Another sweep has trained a cell."""
        if self.forecast is not None:
            self.forecast.drop(key)
        self.num_elsewhere += 1
        self.epochs -= epochs - self.inherited.get(key, 0)

    @property
    def is_over(self) -> bool:
        """Whether every cell has finished or failed, here or in another sweep."""
        return self.num_finished + self.num_failed + self.num_elsewhere >= self.num_cells

    @property
    def epochs_done(self) -> int:
        """Epochs done; a cell that a scheduler stopped early counts with all its epochs."""
        running = sum(max(0, cell.done - cell.inherited) for cell in self.running.values())
        return self._settled_epochs + running

    @property
    def epochs_per_s(self) -> float | None:
        """Epochs per second of all workers together; None before the first measurement."""
        if self._training_since is None:
            return None
        passed = self.clock() - self._training_since
        return self._trained / passed if passed > 0 and self._trained > 0 else None

    @property
    def remaining_s(self) -> float | None:
        """Remaining seconds; None before the first measurement."""
        if self.forecast is not None:
            return self.forecast.left_s
        rate = self.epochs_per_s
        return None if rate is None else max(0, self.epochs - self.epochs_done) / rate

    def _expect(self, cell: CellProgress, *, inherited: int) -> None:
        """Corrects how many epochs other cells trained for this cell."""
        self.epochs += cell.inherited - inherited
        cell.inherited = inherited
