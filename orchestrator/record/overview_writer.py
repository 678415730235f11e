"""Keeps the overview of a study's cells on its run in MLflow while a sweep goes on.

It has a thread and a client of its own: whatever happens to it, the sweep goes on as without it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.masking import masked
from orchestrator.mlflow_reader.reader import Reader
from orchestrator.mlflow_reader.recorded_overview import written_overview
from orchestrator.record.board import MOST_LOOKED_UP, Board, board_of_record
from orchestrator.record.entries import StudyRecord
from orchestrator.record.heartbeat import beating
from orchestrator.record.journal import Journal

log = logging.getLogger(__name__)

EVERY_S, REMOTE_EVERY_S = 10.0, 30.0
LAST_S = 10.0
"""Seconds that the end of a sweep waits for a server to take the last overview."""
SHARE = 0.02
"""Most of one CPU's time that it may take, in the mean over a sweep."""


class OverviewWriter:
    """Writes the overview of one variant of a study.

    Args:
        board: The cells.
        journal: The home's journal.
        home: Names the store.
        record: What MLflow knows of the variant.
        is_whole: Whether the earlier overview has cells that the board does not know.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        board: Board,
        journal: Journal,
        home: Home,
        record: StudyRecord,
        *,
        is_whole: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.board, self.journal, self.home, self.record = board, journal, home, record
        self.is_whole, self.clock = is_whole, clock
        self.every_s = EVERY_S if home.database is not None else REMOTE_EVERY_S
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._run: str | None = None
        self._written = -1
        self._next = 0.0
        self.cost_s = 0.0
        """Seconds of CPU time that it has taken."""

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renews the overview for the duration of a block."""
        with beating("the overview of all cells", self.renew, every_s=self.every_s):
            yield

    def renew(self) -> None:
        """Writes the overview if something has changed, and if it was cheap enough so far.

        Raises:
            Exception: Any error of MLflow's client.
        """
        now = self.clock()
        if now < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            began = time.thread_time()
            self._write()
            cost = time.thread_time() - began
            self.cost_s += cost
            self._next = now + cost / SHARE
        finally:
            self._lock.release()

    def finish(self) -> None:
        """Writes it for the last time; what goes wrong is logged, and a wait has an end."""
        thread = threading.Thread(target=self._finish, name="overview", daemon=True)
        thread.start()
        thread.join(LAST_S)

    def _finish(self) -> None:
        try:
            with self._lock:
                self._write(most=None)
        # The results themselves are delivered; only a glance at them is older than they are.
        except Exception as error:
            log.warning("the overview of all cells is not written: %s", masked(str(error)))

    def _write(self, *, most: int | None = MOST_LOOKED_UP) -> None:
        if self.journal.is_gone:
            return
        reader, run = self._place()
        if run is None:
            # The study's own record is not delivered yet.
            return
        self.board.look(self.journal, self.record.key, most=most)
        revision = self.board.revision
        if revision == self._written:
            return
        text = self.board.text()
        # Of a home that was moved meanwhile, this would make the former place anew.
        if not self.journal.is_gone:
            reader.client.log_text(run, text, vocabulary.OVERVIEW_ARTIFACT)
            self._written = revision

    def _place(self) -> tuple[Reader, str | None]:
        """The store, and the study's run; what an earlier sweep wrote is read once."""
        # Not the store of the delivery, so that neither waits for the other one's answers.
        reader = self._reader = self._reader or Reader(self.home.tracking_uri)
        if self._run is None:
            experiment = reader.find_study(self.record.name)
            if experiment is not None:
                self._run = reader.run_of(experiment.experiment_id, self.record.variant)
            earlier = self._run and written_overview(reader, self._run)
            if earlier:
                self.board.adopt(earlier, is_whole=self.is_whole)
        return reader, self._run


def refresh_overviews(journal: Journal, home: Home, studies: Iterable[str]) -> None:
    """Writes the overviews of studies from the journal, after it was delivered.

    Args:
        journal: The journal.
        home: Names the store.
        studies: Keys of the studies' variants.
    """
    for key in studies:
        record = journal.study(key)
        if record is not None:
            board = board_of_record(record, journal)
            OverviewWriter(board, journal, home, record, is_whole=True).finish()
