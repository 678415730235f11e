"""Brings what the journal holds to MLflow, off the scheduling loop, each point once."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from orchestrator import vocabulary
from orchestrator.home import masked
from orchestrator.mlflow_reader.outages import may_answer_later
from orchestrator.record.delivery_lock import InUseError, held
from orchestrator.record.journal import Entry, Journal, StudyRecord
from orchestrator.record.store import MOST_POINTS, Store, StudyIds
from orchestrator.record.store_lock import StudyHold
from orchestrator.record.uploading import upload_checkpoints

log = logging.getLogger(__name__)
T = TypeVar("T")

INTERVAL_S = 2.0
LONGEST_PAUSE_S = 30.0
BUSY_PAUSE_S = 0.2


class Delivery:
    """A thread that delivers until it is closed.

    It delivers whatever the journal holds, of other sweeps too. Of several that use one journal,
    one delivers at a time.

    Args:
        journal: What to deliver.
        store: Where to.
    """

    def __init__(self, journal: Journal, store: Store) -> None:
        self.journal = journal
        self.store = store
        self.busy_s = 0.0
        self.last_error: str | None = None
        self.has_delivered = False
        """Whether the store took anything at all, or there was nothing to take."""
        self.holds: list[StudyHold] = []
        """Renewed with each pass."""
        self._seen: set[str] = set()
        self._ids: dict[str, StudyIds] = {}
        self._wake = threading.Event()
        self._closing = self._abandoned = False
        self._thread = threading.Thread(target=self._loop, name="delivery", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, *, within_s: float) -> bool:
        """Delivers what is left and stops the thread, if it was started and still runs.

        Args:
            within_s: Seconds after which what could not be delivered stays in the journal.

        Returns:
            Whether everything was delivered.
        """
        self._closing = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        # A thread that still waits for an answer must not begin anything new.
        self._abandoned = True
        return not self._thread.is_alive() and not self.journal.undelivered()

    def deliver(self) -> None:
        """Everything the journal holds now, in the order in which cells began.

        Raises:
            InUseError: If another process is delivering from this journal.
            Exception: Whatever the store's client raises when the store does not answer.
        """
        with held(self.journal.path):
            started = time.perf_counter()
            errors = [*self._each(self.journal.unsent_studies(), self._deliver_study)]
            errors += self._each(self.holds, StudyHold.renew)
            errors += self._each(self.journal.undelivered(), self._deliver_cell)
            self.busy_s += time.perf_counter() - started
        if errors:
            raise errors[0]
        self.has_delivered = True

    def _each(self, items: Iterable[T], deliver: Callable[[T], None]) -> list[Exception]:
        errors: list[Exception] = []
        for item in items:
            try:
                deliver(item)
            # One that cannot be delivered must not keep the others from it, unless all fail alike.
            except Exception as error:
                errors.append(error)
                if self._abandoned or may_answer_later(error):
                    break
        return errors

    def _loop(self) -> None:
        pause = INTERVAL_S
        while not self._abandoned:
            # Only the wish to close wakes it early.
            self._wake.wait(pause)
            closing = self._closing
            try:
                self.deliver()
                pause, self.last_error = INTERVAL_S, None
            except InUseError:
                # Whoever delivers may have looked before the last of ours came.
                if closing and self.journal.undelivered():
                    time.sleep(BUSY_PAUSE_S)
                    continue
            # Whatever the client raises, the journal has it all and the thread must live.
            except Exception as error:
                # A run may be gone, so each is looked up again.
                self._seen.clear()
                self._ids.clear()
                pause = min(2 * pause, LONGEST_PAUSE_S)
                # The client's messages hold the whole address of the server.
                self.last_error = masked(f"{type(error).__name__}: {error}")
                reason = masked(str(error))
                log.warning("MLflow did not take results, next try in %.0f s: %s", pause, reason)
                if closing:
                    time.sleep(min(pause, INTERVAL_S))
                continue
            if closing:
                return

    def _deliver_study(self, record: StudyRecord) -> None:
        ids = self._ids[record.key] = self.store.open_study(record)
        self.has_delivered = True
        for name, text in record.texts.items():
            self.store.log_text(ids.run, text, name)
        if record.state:
            self.store.set_state(ids.run, record.state, {})
        self.journal.mark_study_sent(record)

    def _study_of(self, entry: Entry) -> StudyIds:
        key = entry.description.study
        if key not in self._ids:
            record = self.journal.study(key)
            assert record is not None
            self._ids[key] = self.store.open_study(record)
        return self._ids[key]

    def _deliver_cell(self, entry: Entry) -> None:
        cell = entry.description.cell
        run_id, state_sent = self._run_of(entry)
        self.has_delivered = True
        while points := self.journal.unsent(cell, most=MOST_POINTS):
            self.store.log_points(run_id, points)
            self.journal.mark_sent(cell, points)
        if state_sent == entry.state:
            return
        tags = dict(entry.tags)
        if vocabulary.FAILURE_ARTIFACT in tags:
            text = tags.pop(vocabulary.FAILURE_ARTIFACT)
            self.store.log_text(run_id, text, vocabulary.FAILURE_ARTIFACT)
        upload = tags.pop(vocabulary.UPLOAD, None)
        self.store.set_state(run_id, entry.state, tags)
        if upload is not None:
            # Last: the cell is recorded, whatever becomes of large files.
            upload_checkpoints(self.store, run_id, upload)
        self.journal.mark_state_sent(cell, entry.state)

    def _run_of(self, entry: Entry) -> tuple[str, str | None]:
        """The cell's run, and the state MLflow knows of it.

        A run is looked for before it is made, and made anew if somebody deleted it.
        """
        cell = entry.description.cell
        if entry.run_id is not None:
            if cell in self._seen or not self.store.is_gone(entry.run_id):
                self._seen.add(cell)
                return entry.run_id, entry.state_sent
            log.warning("the run of %s was deleted in MLflow; it is made anew", cell)
            self.journal.forget_run(cell)
        study = self._study_of(entry)
        run_id = self.store.find_cell(entry.description, study)
        if run_id is None:
            run_id = self.store.create_cell(entry.description, study)
        else:
            # Another journal began this run: what is there need not, and must not, come twice.
            self.journal.append(cell, there := self.store.points_of(run_id))
            self.journal.mark_sent(cell, there)
        self.journal.set_run(cell, run_id)
        self._seen.add(cell)
        return run_id, None
