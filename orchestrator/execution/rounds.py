"""Trains the cells of a sweep in rounds of Ray Tune, next to other sweeps of the same home."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from orchestrator import launch
from orchestrator.execution.claims import ASK_EVERY_S, Claim, Claims
from orchestrator.execution.leases import Leases
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.progress import Progress
from orchestrator.launch.jobs import Jobs
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.planning.outlook import Basis, forecast_of, probing
from orchestrator.planning.planning import Plan
from orchestrator.planning.sharing import Beginnings
from orchestrator.planning.stem_store import StemStore
from orchestrator.record.known import Recorded
from orchestrator.study.axes import Axis
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import scaled_scheduler, trial_at
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
    """Trains all available cells in one round of Tune; later rounds train what is still open.

    These are cells that others release, and cells that gave their place back for want of memory.

    Args:
        todo: The plan of the study.
        work: Maps configurations to cells and jobs.
        recorded: The results known when the sweep began.
        leases: This process's leases.
        stems: The store of stems (shared checkpoints).
        slots: The resources of each trial, and how many run at once.
        basis: What is known of how long epochs take.
    """

    def __init__(
        self,
        todo: Plan,
        work: Jobs,
        recorded: Recorded,
        leases: Leases,
        stems: StemStore,
        *,
        slots: launch.Slots,
        basis: Basis | None = None,
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
            num_cells=todo.num_todo,
            epochs=todo.epochs_todo,
            inherited=inherited,
            forecast=forecast_of(
                todo,
                key=partial(cell_key, self.study),
                slots=lambda: slots.num,
                basis=basis or Basis(),
            ),
        )

    def run(
        self,
        listener: SweepListener,
        bystander: Bystander,
        *,
        folder: Path,
        verbose: bool,
    ) -> None:
        """Trains until no cell remains, or until a signal.

        Args:
            listener: Told about all events.
            bystander: Told while other sweeps train the remaining cells.
            folder: Where Tune writes.
            verbose: Show Tune's output.
        """

        def one_round(cells: Beginnings | launch.Search) -> bool:
            return launch.launch(
                self.work,
                cells=cells,
                scheduler=_made(scaled_scheduler(self.study), SCHEDULERS),
                max_epochs=self.study.most_epochs,
                slots=self.slots,
                retries=self.study.retries,
                listener=listener,
                folder=folder,
                verbose=verbose,
            )

        search = self._search(listener)
        if search is not None:
            self._draw(search, one_round, listener)
            return
        keys = [cell_key(self.study, cell) for cell in probing(self.todo)]
        remaining = {key: self.work.cells[key] for key in keys}
        claims = Claims(self.leases, self.recorded, done=self._trained_elsewhere)
        try:
            while remaining and one_round(self._beginnings(remaining, claims)):
                remaining = listener.open_of(remaining)
                if self.slots.is_draining:
                    self.slots.relax()
                else:
                    remaining = self._wait(remaining, claims, listener, bystander)
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
        self.progress.trained_elsewhere(key, epochs=cell.train.all_epochs)

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

    def _draw(
        self,
        search: "launch.Search",
        one_round: Callable[["launch.Search"], bool],
        listener: SweepListener,
    ) -> None:
        """Trains what a search draws; ends with fewer trials if there are no others."""
        ended = one_round(search)
        if ended and search.draws is not None and search.draws.is_exhausted:
            self.progress.expect_no_more()
            tries = f"{launch.MOST_TRIES} draws in a row were no new trial"
            num, wanted = search.draws.num_taken, search.draws.num_samples
            listener.noted(self.study.name, f"drew {num} of {wanted} trials: {tries}")

    def _search(self, listener: SweepListener) -> "launch.Search | None":
        searcher = _made(self.study.search, SEARCHERS)
        if searcher is None:
            return None

        def skipped(drawn: str, reason: str) -> None:
            listener.noted(drawn, f"cannot be a trial, so another is drawn ({reason})")

        axes = [axis for axis in self.study.axes if axis.searched]
        num_samples = self.todo.num_todo
        return launch.Search(
            axes=axes,
            searcher=searcher,
            num_samples=num_samples,
            known=_measured(axes, self.recorded.cells),
            draws=launch.Draws(
                trial_at=partial(trial_at, self.study),
                num_samples=num_samples,
                known=self.todo.finished,
                skipped=skipped,
            ),
        )


def _measured(
    axes: Sequence[Axis], cells: Iterable[RecordedCell]
) -> list[tuple[dict[str, object], float]]:
    """The points of finished cells that the axes still have, with their objectives."""
    found: list[tuple[dict[str, object], float]] = []
    for cell in cells:
        objective = cell.objective
        if cell.state != State.FINISHED or objective is None or not math.isfinite(objective):
            continue
        point = {axis.name: _drawn_at(axis, cell.labels.get(axis.name, "")) for axis in axes}
        if None not in point.values():
            found.append((point, objective))
    return found


def _drawn_at(axis: Axis, label: str) -> object:
    """What a searcher drew for a label; None: the axis cannot draw it any more."""
    if axis.domain is None:
        return label if label in axis.points else None
    low, high = axis.domain.low, axis.domain.high
    try:
        value = int(label) if axis.domain.integer else float(label)
    except ValueError:
        return None
    # Six digits of a number may lie just outside of the range that it was drawn from.
    near = min(max(value, low), high)
    return near if math.isclose(near, value, rel_tol=1e-5) else None


def _made(component: Component | None, table: Mapping[str, Callable[..., T]]) -> T | None:
    return table[component.name](**component.options) if component else None
