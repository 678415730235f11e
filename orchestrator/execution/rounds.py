"""Trains the cells of a sweep in rounds of Ray Tune, next to other sweeps of the same home."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from orchestrator import launch
from orchestrator.execution.claims import ASK_EVERY_S, Claim, Claims
from orchestrator.execution.leases import Leases
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.progress import Progress
from orchestrator.launch.jobs import Jobs
from orchestrator.planning.planning import Plan
from orchestrator.planning.sharing import Beginnings
from orchestrator.planning.stem_store import StemStore
from orchestrator.record.known import Recorded
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import scaled_scheduler
from orchestrator.study.search import SCHEDULERS, SEARCHERS
from orchestrator.study.spec import cell_key
from orchestrator.vocabulary import State
from trainers.binding import Component

log = logging.getLogger(__name__)
T = TypeVar("T")


class Bystander(Protocol):
    """Shows the user which other sweeps train cells of this study."""

    def elsewhere(self, num_cells: int, holders: str) -> None:
        """Called once a second while other sweeps train all remaining cells."""


class Rounds:
    """Trains all available cells in one round of Tune; later rounds train cells others release.

    Args:
        todo: The plan of the study.
        work: Maps configurations to cells and jobs.
        recorded: The results known when the sweep began.
        leases: This process's leases.
        stems: The store of stems (shared checkpoints).
        slots: Trials at once.
    """

    def __init__(
        self,
        todo: Plan,
        work: Jobs,
        recorded: Recorded,
        leases: Leases,
        stems: StemStore,
        *,
        slots: int,
    ) -> None:
        self.todo, self.work, self.recorded = todo, work, recorded
        self.leases, self.stems, self.slots = leases, stems, slots
        self.study = todo.study
        inherited = {
            key: todo.starts[cell.id].begins
            for key, cell in work.cells.items()
            if cell.id in todo.starts
        }
        self.progress = Progress(
            num_cells=todo.num_todo, epochs=todo.epochs_todo, inherited=inherited
        )

    def run(
        self,
        listener: SweepListener,
        bystander: Bystander,
        *,
        resources: launch.Resources,
        folder: Path,
        verbose: bool,
    ) -> None:
        """Trains until no cell remains, or until a signal.

        Args:
            listener: Told about all events.
            bystander: Told while other sweeps train the remaining cells.
            resources: The resources of each trial.
            folder: Where Tune writes.
            verbose: Show Tune's output.
        """

        def one_round(cells: Beginnings | launch.Search) -> bool:
            return launch.launch(
                self.work,
                cells=cells,
                scheduler=_made(scaled_scheduler(self.study), SCHEDULERS),
                max_epochs=max(cell.train.epochs for cell in self.study.trials),
                resources=resources,
                slots=self.slots,
                retries=self.study.retries,
                listener=listener,
                folder=folder,
                verbose=verbose,
            )

        search = self._search()
        if search is not None:
            one_round(search)
            return
        remaining = dict(self.work.cells)
        claims = Claims(self.leases, self.recorded, done=self._trained_elsewhere)
        try:
            while remaining and one_round(self._beginnings(remaining, claims)):
                still_open = listener.open_of(remaining)
                remaining = self._wait(still_open, claims, listener, bystander)
        except KeyboardInterrupt:
            log.info("interrupted while other sweeps trained the remaining cells")

    def _wait(
        self,
        remaining: Mapping[str, Cell],
        claims: Claims,
        listener: SweepListener,
        bystander: Bystander,
    ) -> dict[str, Cell]:
        """Waits until a cell of another sweep is available; returns the cells that remain then."""
        cells = claims.remaining(remaining)
        while cells and not any(claims.is_ours(cell) for cell in cells.values()):
            holders = {self.leases.holder_of(cell.id) for cell in cells.values()} - {None}
            bystander.elsewhere(len(cells), ", ".join(sorted(map(str, holders))))
            listener.tick()
            time.sleep(ASK_EVERY_S)
            cells = claims.remaining(cells)
        return cells

    def _trained_elsewhere(self, cell: Cell) -> None:
        key = cell_key(self.study, cell)
        self.progress.trained_elsewhere(key, epochs=cell.train.epochs)

    def _beginnings(self, cells: Mapping[str, Cell], claims: Claims) -> Beginnings:
        """Hands out the cells in an order that shares stems."""
        taken = {Claim.OURS: True, Claim.THEIRS: False, Claim.DONE: None}
        return Beginnings(
            cells,
            available=self.stems.found(),
            drop=self.stems.remove,
            take=lambda key: taken[claims.take(cells[key])],
            share=self.todo.share,
        )

    def _search(self) -> "launch.Search | None":
        searcher = _made(self.study.search, SEARCHERS)
        if searcher is None:
            return None
        axes = [axis for axis in self.study.axes if axis.searched]
        known = [
            (
                {
                    axis.name: float(cell.labels[axis.name])
                    if axis.domain
                    else cell.labels[axis.name]
                    for axis in axes
                },
                cell.objective,
            )
            for cell in self.recorded.cells
            if cell.state == State.FINISHED and cell.objective is not None
        ]
        num_samples = self.todo.num_todo
        return launch.Search(axes=axes, searcher=searcher, num_samples=num_samples, known=known)


def _made(component: Component | None, table: Mapping[str, Callable[..., T]]) -> T | None:
    return table[component.name](**component.options) if component else None
