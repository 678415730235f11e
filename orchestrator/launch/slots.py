"""How many trials run at once: as many as fit on the nodes that there are now."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.launch.resources import ResourceError, Resources, num_slots

log = logging.getLogger(__name__)

RECOUNT_EVERY_S = 5.0
"""Least seconds between two counts of a cluster's nodes."""


class Slots:
    """The number of trials that may run at once; on a cluster it follows the nodes.

    Tune writes it down with its searcher, without the nodes; nothing resumes from it.

    Args:
        resources: The resources of each trial.
        nodes: Asked for the resources of each node.
        moves: Whether nodes come and go.
        clock: A monotonic clock, in seconds.

    Raises:
        ResourceError: If not even one trial fits.
    """

    def __init__(
        self,
        resources: Resources,
        nodes: Callable[[], Sequence[Mapping[str, float]]],
        *,
        moves: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.resources, self.nodes, self.moves, self.clock = resources, nodes, moves, clock
        self.num = num_slots(resources, nodes())
        self._counted_at = clock()

    def __getstate__(self) -> dict[str, Any]:
        """Omits the nodes and the clock."""
        return {"num": self.num}

    def recount(self) -> int | None:
        """Counts the nodes again if it is time; the number before, if it is another one now.

        While no trial fits anywhere it is 1, so that the next node is used at once. After a count
        that failed it stays what it was.
        """
        now = self.clock()
        if not self.moves or now - self._counted_at < RECOUNT_EVERY_S:
            return None
        self._counted_at, before = now, self.num
        try:
            self.num = num_slots(self.resources, self.nodes())
        except ResourceError:
            self.num = 1
        except Exception as error:
            log.info("the nodes of the cluster cannot be counted: %r", error)
        return None if self.num == before else before
