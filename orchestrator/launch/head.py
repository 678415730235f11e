"""Watches a cluster's head, without which no sweep goes on; does not import Ray."""

import socket
import time
from collections.abc import Callable

from orchestrator.errors import OrchestratorError

SAID_AFTER_S = 3.0
LOST_AFTER_S = 20.0
"""Seconds of silence after which a head counts as lost; Ray ends this process after 60 s."""
LOOK_EVERY_S = 1.0
ANSWER_S = 2.0
HINT = "what was trained is kept; once the cluster is there again, the same command goes on"


class LostClusterError(OrchestratorError):
    """The head of a cluster was restarted while a sweep ran, or is gone."""

    launched = True
    hint = HINT


class HeadWatch:
    """Notices that the head of a cluster is silent, or that another one answers in its place.

    Ray does not: its calls wait for the head, deaf to signals, until Ray ends this process.

    Args:
        address: Host and port of the head.
        is_same: Whether the head that answers now is still that of our cluster.
        silent: Told once that the head does not answer.
        lost: Told why the cluster is lost; need not return.
        answers: Whether somebody listens at the address.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        address: str,
        *,
        is_same: Callable[[], bool],
        silent: Callable[[str], None],
        lost: Callable[[str], None],
        answers: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address, self.is_same, self.silent, self.lost = address, is_same, silent, lost
        self.answers, self.clock = answers or _answers, clock
        self._silent_since: float | None = None
        self._is_told = False

    def look(self) -> None:
        """Asks the head once; called every `LOOK_EVERY_S`."""
        if self.answers(self.address):
            if self._silent_since is not None and not self.is_same():
                self.lost(f"the head of the Ray cluster, {self.address}, was restarted")
            self._silent_since, self._is_told = None, False
            return
        now = self.clock()
        if self._silent_since is None:
            self._silent_since = now
        waited_s = now - self._silent_since
        what = f"the head of the Ray cluster, {self.address}, does not answer"
        if waited_s >= LOST_AFTER_S:
            self.lost(f"{what} for {waited_s:.0f} s")
        elif waited_s >= SAID_AFTER_S and not self._is_told:
            self._is_told = True
            self.silent(what)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except OSError:
        return False
    return True
