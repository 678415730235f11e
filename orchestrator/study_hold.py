"""One home at a time for a study on a server: the leases of a home are not seen from another."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.hold import InUseError
from orchestrator.home import masked
from orchestrator.record import Store, StudyIds

log = logging.getLogger(__name__)

HOLD_S = 120.0
"""Seconds after which a hold that was not renewed is over."""
RENEW_S = 30.0


class StudyHold:
    """A mark on the run of a study that says from which home it is being swept.

    Each process has a mark of its own, so that of two which come at once at least one sees the
    other. Those of one home keep apart by leases.

    Args:
        store: The store.
        ids: Of the study.
        home: Id of the home, the same after a restart.
        holder: Id of this process.
        name: Who sweeps, for people.
        clock: Seconds since the epoch; the clocks of two machines may differ by some seconds.
    """

    def __init__(
        self,
        store: Store,
        ids: StudyIds,
        *,
        home: str,
        holder: str,
        name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.ids, self.clock = store, ids, clock
        self.home, self.name = home, name
        self.mark = f"{home}.{holder}"
        self._renewed_at = 0.0

    def take(self) -> None:
        """Marks the study.

        Raises:
            InUseError: If it is being swept from another home.
        """
        self._mark()
        for mark, text in self.store.holds(self.ids).items():
            held = json.loads(text)
            if held["until"] < self.clock():
                # Left by a process that was killed.
                self.store.end_hold(self.ids, mark)
                continue
            if mark.partition(".")[0] == self.home:
                continue
            self.release()
            what = f"this study is being swept from another home, by {held['name']}"
            way = "use that home, or wait for its end"
            raise InUseError(f"{what}; {way} (or {HOLD_S:.0f} s, if it was killed)")

    @contextmanager
    def renewed_by(self, renewed: "list[StudyHold]") -> Iterator[None]:
        """Takes the hold for a block, however that ends.

        Args:
            renewed: Holds that somebody renews; this one is among them meanwhile.

        Raises:
            InUseError: If the study is being swept from another home.
        """
        self.take()
        renewed.append(self)
        try:
            yield
        finally:
            renewed.remove(self)
            try:
                self.release()
            # It ends by itself a little later.
            except Exception as error:
                log.warning("the study is still marked as being swept: %s", masked(str(error)))

    def renew(self) -> None:
        """Renews the mark, if it is time."""
        if self.clock() - self._renewed_at >= RENEW_S:
            self._mark()

    def release(self) -> None:
        """Takes the mark away."""
        self.store.end_hold(self.ids, self.mark)

    def _mark(self) -> None:
        self._renewed_at = self.clock()
        text = json.dumps({"name": self.name, "until": self._renewed_at + HOLD_S})
        self.store.hold(self.ids, self.mark, text)
