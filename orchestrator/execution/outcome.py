"""How a sweep ended, and who is told while it goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.execution.listener import Failure, Watcher
from orchestrator.execution.progress import Progress
from orchestrator.execution.rounds import Bystander
from orchestrator.planning.outlook import Expected
from orchestrator.planning.planning import Plan
from orchestrator.record.board import Board


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a sweep ended.

    Args:
        plan: The plan at the start.
        failures: Cells that failed for good.
        num_finished: Cells that this sweep trained to their end.
        num_copied: Cells whose results were copied from another cell of the same trial.
        interrupted: Whether a signal stopped it.
        num_undelivered: Cells with results in the journal that MLflow lacks.
        wall_s: Duration in seconds.
        train_s: Seconds of training and measuring, summed over the workers.
        track_s: Seconds spent in the journal and in delivery.
    """

    plan: Plan
    failures: tuple[Failure, ...] = ()
    num_finished: int = 0
    num_copied: int = 0
    interrupted: bool = False
    num_undelivered: int = 0
    wall_s: float = 0.0
    train_s: float = 0.0
    track_s: float = 0.0


class SweepWatcher(Watcher, Bystander, Protocol):
    """Receives all events of a sweep, to show them to the user."""

    def planned(
        self,
        plan: Plan,
        *,
        slots: int | None,
        disk: str = "",
        processes: int = 1,
        expected: Expected | None = None,
    ) -> None:
        """The plan is known.

        Args:
            plan: The plan.
            slots: Trials at once; None: nothing will be trained.
            disk: What will be written.
            processes: Processes that train a trial together.
            expected: How long it will take.
        """

    def silent(self, reason: str, *, journal: Path) -> None:
        """MLflow does not answer; the journal keeps results until it does."""

    def lost(self, reason: str) -> None:
        """The cluster is lost; this process ends next."""

    def began(self, progress: Progress, board: Board) -> None:
        """Workers are about to start.

        Args:
            progress: Counts what this sweep trains.
            board: Has each cell of the study as it is.
        """

    def stopped(self) -> None:
        """Training is over, or the sweep has failed; may be called twice."""


class Unwatched:
    """Ignores all events."""

    def _nothing(self, *told: object, **more: object) -> None:
        """Ignores the event."""

    planned = silent = lost = began = stopped = elsewhere = _nothing
    tick = cell_ended = cell_retried = cell_noted = stopping = _nothing
