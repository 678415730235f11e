"""How many trials run at once: as many as fit on the nodes that there are now."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.launch.resources import ResourceError, Resources, num_slots

log = logging.getLogger(__name__)

Nodes = Callable[[], Sequence[Mapping[str, float]]]
"""Asked for the resources of each node."""
RECOUNT_EVERY_S = 5.0
"""Least seconds between two counts of a cluster's nodes."""


class Slots:
    """The number of trials that may run at once; on a cluster it follows the nodes.

    If a trial gives its place back for want of a GPU's memory, no other begins until those that
    run have ended. Then `relax` makes fewer share a GPU.

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
        nodes: Nodes,
        *,
        moves: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.resources, self.nodes, self.moves, self.clock = resources, nodes, moves, clock
        self.num = num_slots(resources, nodes())
        self.is_draining = False
        self._counted_at = clock()

    def __getstate__(self) -> dict[str, Any]:
        """Omits the nodes and the clock."""
        return {"num": self.num}

    @property
    def relaxed(self) -> Resources:
        """The resources of each trial if half as many share a GPU."""
        return self.resources.on_a_gpu(max(1, self.resources.num_on_a_gpu // 2))

    def relax(self) -> None:
        """Lets half as many trials share a GPU, and lets trials begin again."""
        self.resources, self.is_draining = self.relaxed, False
        self._count()

    def recount(self) -> int | None:
        """Counts the nodes again if it is time; the number before, if it is another one now.

        While no trial fits anywhere it is 1, so that the next node is used at once. After a count
        that failed it stays what it was.
        """
        if not self.moves or self.clock() - self._counted_at < RECOUNT_EVERY_S:
            return None
        before = self.num
        self._count()
        return None if self.num == before else before

    def _count(self) -> None:
        self._counted_at = self.clock()
        try:
            self.num = num_slots(self.resources, self.nodes())
        except ResourceError:
            self.num = 1
        except Exception as error:
            log.info("the nodes of the cluster cannot be counted: %r", error)
