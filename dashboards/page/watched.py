"""A variant of a study that somebody looks at: what is known of it, and how long that holds."""

import threading
import time
from concurrent.futures import Future, wait

from dashboards.summary import Summary, Watch
from orchestrator.errors import OrchestratorError

FRESH_S = 1.0
"""Seconds for which what was read is shown without asking again."""
RESTING_S = 5.0
"""The same for a study that no sweep trains."""
SHARE = 5
"""What took long to read is kept for as many times longer."""
PATIENCE_S = 2.0
"""Seconds for which the first look is waited for, before its progress is shown."""


class StillReadingError(OrchestratorError):
    """The cells of a variant are being read for the first time.

    Args:
        title: The variant's title.
        num: Cells that are read.
        total: Cells that are planned; 0: unknown.
    """

    def __init__(self, title: str, num: int, total: int) -> None:
        self.title = title
        of = f" of {max(num, total):,}" if total else ""
        super().__init__(f"{num:,}{of} cells read")


class Watched:
    """A variant that somebody looks at; its first look goes on while they wait.

    Args:
        watch: Reads the variant.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.lock = threading.Lock()
        self.look_again_at = 0.0
        self._summary: Summary | None = None
        self._first: Future[Summary] | None = None
        self.patient_until = 0.0
        self._read = (0, 0)

    def look(self) -> Summary:
        """The cells as they are now, or were a moment ago.

        Raises:
            StillReadingError: If nothing is known yet, and to read it takes long.
        """
        if self._summary is None:
            self._summary = self._first_look()
        elif time.monotonic() >= self.look_again_at:
            self._summary = self._look()
        return self._summary

    def _look(self) -> Summary:
        began = time.monotonic()
        summary = self.watch.look(self._hear)
        took_s = time.monotonic() - began
        # Results that a journal held back may still come.
        pause_s = RESTING_S if summary.variant.is_finished else FRESH_S
        self.look_again_at = began + max(pause_s, SHARE * took_s)
        return summary

    def _first_look(self) -> Summary:
        if self._first is None:
            self._first, self._read = Future(), (0, 0)
            self.patient_until = time.monotonic() + PATIENCE_S
            # A daemon, so that whoever ends the page does not wait for it.
            threading.Thread(target=self._read_all, args=(self._first,), daemon=True).start()
        first = self._first
        wait([first], max(0.0, self.patient_until - time.monotonic()))
        if not first.done():
            raise StillReadingError(self.watch.title, *self._read)
        # After a failure the next look begins again.
        self._first = None
        return first.result()

    def _read_all(self, first: Future[Summary]) -> None:
        try:
            first.set_result(self._look())
        except BaseException as error:
            first.set_exception(error)

    def _hear(self, num: int, total: int) -> None:
        self._read = (num, total)
