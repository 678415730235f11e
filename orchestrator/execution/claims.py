"""Decides which cells this sweep may train: those that no other sweep trains or has trained."""

import time
from collections.abc import Callable, Mapping
from enum import Enum

from orchestrator.execution.leases import Leases
from orchestrator.record.known import Recorded
from orchestrator.study.cells import Cell

ASK_EVERY_S = 1.0


class Claim(Enum):
    """Who trains a cell."""

    OURS = "ours"
    THEIRS = "theirs"
    DONE = "done"


class Claims:
    """Claims cells for this sweep, with one lease for each trial.

    Args:
        leases: This process's leases.
        recorded: The results known when the sweep began.
        done: Called with a cell that another sweep has finished since then.
    """

    def __init__(
        self, leases: Leases, recorded: Recorded, *, done: Callable[[Cell], None]
    ) -> None:
        self.leases, self.recorded, self.done = leases, recorded, done
        self._refused_at: dict[str, float] = {}

    def take(self, cell: Cell) -> Claim:
        """Claims a cell if it is available."""
        now = time.monotonic()
        # An idle worker asks several times a second.
        if now - self._refused_at.get(cell.id, -ASK_EVERY_S) < ASK_EVERY_S:
            return Claim.THEIRS
        if not self.leases.claim(cell.id):
            self._refused_at[cell.id] = now
            return Claim.THEIRS
        # Another sweep releases a lease only after it has journaled the end of the cell.
        if self.recorded.finished_since(cell.id) is not None:
            self.leases.release(cell.id)
            self.done(cell)
            return Claim.DONE
        return Claim.OURS

    def remaining(self, cells: Mapping[str, Cell]) -> dict[str, Cell]:
        """The cells that are not done, by key; claims those that are available."""
        return {key: cell for key, cell in cells.items() if self.take(cell) is not Claim.DONE}

    def is_ours(self, cell: Cell) -> bool:
        """Whether this sweep holds a cell's lease."""
        return self.leases.is_ours(cell.id)
