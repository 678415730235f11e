"""Which cells this sweep may train: those that no other one trains, or has trained meanwhile."""

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
    """Takes cells for this sweep, one lease a trial.

    Args:
        leases: This process's leases.
        recorded: What was known when the sweep began.
        done: Told of a cell that another sweep has finished meanwhile.
    """

    def __init__(
        self, leases: Leases, recorded: Recorded, *, done: Callable[[Cell], None]
    ) -> None:
        self.leases, self.recorded, self.done = leases, recorded, done
        self._refused_at: dict[str, float] = {}

    def take(self, cell: Cell) -> Claim:
        """Takes a cell if it is to be had."""
        now = time.monotonic()
        # Asked for several times a second where a worker has nothing to do.
        if now - self._refused_at.get(cell.id, -ASK_EVERY_S) < ASK_EVERY_S:
            return Claim.THEIRS
        if not self.leases.claim(cell.id):
            self._refused_at[cell.id] = now
            return Claim.THEIRS
        # Another sweep gives a lease back after it has journaled the end.
        if self.recorded.finished_since(cell.id) is not None:
            self.leases.release(cell.id)
            self.done(cell)
            return Claim.DONE
        return Claim.OURS

    def left(self, cells: Mapping[str, Cell]) -> dict[str, Cell]:
        """Those of the cells that are not done, taken where they are to be had, by key."""
        return {key: cell for key, cell in cells.items() if self.take(cell) is not Claim.DONE}

    def is_ours(self, cell: Cell) -> bool:
        """Whether this sweep holds a cell's lease."""
        return self.leases.is_ours(cell.id)
