"""Delivers the journal to MLflow in a thread outside the scheduling loop, each point once."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from orchestrator import vocabulary
from orchestrator.masking import masked
from orchestrator.mlflow_reader.outages import may_answer_later
from orchestrator.record.delivery_lock import InUseError, held
from orchestrator.record.entries import Entry, StudyRecord
from orchestrator.record.journal import Journal
from orchestrator.record.store import MOST_POINTS, Look, Store, StudyIds
from orchestrator.record.uploading import upload_checkpoints
from orchestrator.vocabulary import State

log = logging.getLogger(__name__)
T = TypeVar("T")

INTERVAL_S = 2.0
"""Seconds between deliveries, at least."""
REST = 50
"""A delivery is followed by a rest of so many times its seconds, so that it takes at most 2 % of
the time of a thread,"""
LONGEST_REST_S = 6.0
"""but at most of so many seconds."""
LONGEST_PAUSE_S = 30.0
BUSY_PAUSE_S = 0.2
FIRST_COUNTED = 16
"""Finished cells after which the store counts its rows; then at each doubling."""


class Delivery:
    """A thread that delivers results until it is closed.

    It delivers all results in the journal, including those of other sweeps. Only one process
    delivers from a journal at a time.

    Args:
        journal: The journal to deliver.
        store: The store to deliver to.
    """

    def __init__(self, journal: Journal, store: Store) -> None:
        self.journal = journal
        self.store = store
        self.busy_s = 0.0
        self.last_error: str | None = None
        self.has_delivered = False
        """Whether the store accepted anything, or there was nothing to deliver."""
        self._took_at = 0.0
        """When the store took something for the last time, by the monotonic clock."""
        self._seen: set[str] = set()
        self._ids: dict[str, StudyIds] = {}
        self._num_finished, self._count_at = 0, FIRST_COUNTED
        self._wake = threading.Event()
        self._closing = self._abandoned = False
        self._thread = threading.Thread(target=self._loop, name="delivery", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, *, within_s: float, at_most_s: float | None = None) -> bool:
        """Delivers the remaining results and stops the thread, if it runs.

        Args:
            within_s: Seconds to wait; results not delivered by then stay in the journal.
            at_most_s: Wait `within_s` for each further result that the store takes, and so many
                seconds in all; None: `within_s` in all.

        Returns:
            Whether everything was delivered.
        """
        self._closing = True
        self._wake.set()
        began = time.monotonic()
        ends = began + (within_s if at_most_s is None else at_most_s)
        while self._thread.is_alive():
            patient_until = min(max(began, self._took_at) + within_s, ends)
            if (remaining_s := patient_until - time.monotonic()) <= 0:
                break
            self._thread.join(remaining_s)
        # If the thread still waits for an answer, it must not start anything new.
        self._abandoned = True
        return not self._thread.is_alive() and not self.journal.undelivered()

    def deliver(self) -> None:
        """Delivers all results now in the journal, in the order in which cells started.

        Raises:
            InUseError: If another process is delivering from this journal.
            GoneError: If the journal is no longer in its place.
            Exception: Any error of the store's client, for example if the store does not answer.
        """
        self.journal.refuse_gone()
        with held(self.journal.path):
            started = time.perf_counter()
            errors = [*self._each(self.journal.unsent_studies(), self._deliver_study)]
            errors += self._each(self.journal.undelivered(), self._deliver_cell)
            self.busy_s += time.perf_counter() - started
        if errors:
            raise errors[0]
        self.has_delivered = True

    def _each(self, items: Iterable[T], deliver: Callable[[T], None]) -> list[Exception]:
        errors: list[Exception] = []
        for item in items:
            if self._abandoned:
                break
            try:
                # Artifacts would make the place where the home was before anew.
                self.journal.refuse_gone()
                deliver(item)
                self._took_at = time.monotonic()
            # Continue with the next item, unless the store is away and all would fail.
            except Exception as error:
                errors.append(error)
                if self._abandoned or may_answer_later(error):
                    break
        return errors

    def _loop(self) -> None:
        pause = INTERVAL_S
        while not self._abandoned:
            # Only close() wakes it early.
            self._wake.wait(pause)
            closing = self._closing
            try:
                before = self.busy_s
                self.deliver()
                rest = min(REST * (self.busy_s - before), LONGEST_REST_S)
                pause, self.last_error = max(INTERVAL_S, rest), None
            except InUseError:
                # The other process may have read the journal before our last results came.
                if closing and self.journal.undelivered():
                    time.sleep(BUSY_PAUSE_S)
                    continue
            # The client raises many kinds of errors. The journal has all results, so keep going.
            except Exception as error:
                # A run may be gone, so look up each run again.
                self._seen.clear()
                self._ids.clear()
                pause = min(2 * pause, LONGEST_PAUSE_S)
                # The client's messages contain the server's full address, password included.
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
            self._took_at = time.monotonic()
        if state_sent == entry.state:
            return
        tags = dict(entry.tags)
        if vocabulary.FAILURE_ARTIFACT in tags:
            text = tags.pop(vocabulary.FAILURE_ARTIFACT)
            self.store.log_text(run_id, text, vocabulary.FAILURE_ARTIFACT)
        upload = tags.pop(vocabulary.UPLOAD, None)
        self.store.set_state(run_id, entry.state, tags)
        if upload is not None:
            # Last, so that the cell is recorded even if the upload of large files fails.
            upload_checkpoints(self.store, run_id, upload)
        self.journal.mark_state_sent(cell, entry.state)
        if entry.state == State.FINISHED:
            self._num_finished += 1
            if self._num_finished == self._count_at:
                self._count_at *= 2
                self.store.analyse()

    def _run_of(self, entry: Entry) -> tuple[str, str | None]:
        """The cell's run, and the last state that MLflow has of it.

        Looks for an existing run before creating one, and replaces a deleted run.
        """
        cell = entry.description.cell
        if entry.run_id is not None:
            if cell in self._seen:
                return entry.run_id, entry.state_sent
            there = self.store.look_at(entry.run_id)
            if there is not None:
                self._seen.add(cell)
                is_over = self._catch_up(entry, entry.run_id, there)
                return entry.run_id, entry.state if is_over else entry.state_sent
            log.warning("the run of %s was deleted in MLflow; creating a new one", cell)
            self.journal.forget_run(cell)
        study = self._study_of(entry)
        state_sent: str | None = None
        run_id = self.store.find_cell(entry.description, study)
        if run_id is None:
            run_id = self.store.create_cell(entry.description, study)
        # Another journal started this run.
        elif (there := self.store.look_at(run_id)) and self._catch_up(entry, run_id, there):
            state_sent = entry.state
        self.journal.set_run(cell, run_id)
        self._seen.add(cell)
        return run_id, state_sent

    def _catch_up(self, entry: Entry, run_id: str, there: Look) -> bool:
        """Tells the journal what only the run knows, so that nothing is sent twice or undone.

        The run knows more if the journal is new, or an older copy of the one that wrote there.

        Returns:
            Whether the run is finished, so that the cell's state in the journal is not sent.
        """
        cell = entry.description.cell
        ours = {(p.key, p.step): p.time_ms for p in self.journal.points(cell)}
        if any(ours.get((p.key, p.step)) != p.time_ms for p in there.last):
            self._adopt(cell, run_id)
        is_over = there.is_complete and entry.state != State.FINISHED
        if is_over:
            log.warning("%s is finished in MLflow, and stays so", cell)
            self.journal.mark_state_sent(cell, entry.state)
        return is_over

    def _adopt(self, cell: str, run_id: str) -> None:
        """Marks all points that a run has as sent, so that none is sent twice."""
        there = self.store.points_of(run_id)
        self.journal.append(cell, there)
        self.journal.mark_sent(cell, there)
