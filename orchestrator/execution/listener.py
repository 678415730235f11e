"""Handles each event of a sweep on the driver: writes it to the journal, counts it, shows it."""

import logging
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator import vocabulary
from orchestrator.execution.leases import Leases
from orchestrator.execution.progress import Progress
from orchestrator.free_space import DiskFullError
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.metrics import Series
from orchestrator.launch.report import EpochReport
from orchestrator.masking import masked
from orchestrator.planning.forecast import Epoch
from orchestrator.planning.workload import work_of
from orchestrator.process.foothold import keep_foothold
from orchestrator.record.board import Board
from orchestrator.record.delivery import Delivery
from orchestrator.record.entries import CellDescription, Point
from orchestrator.record.journal import GoneError, Journal
from orchestrator.study.cells import Cell
from orchestrator.vocabulary import State

log = logging.getLogger(__name__)

MOST_NOTE = 4000
"""Most characters of a note in a tag; MLflow allows 8,000."""

COUNT_EVERY_S = 2.0
"""Seconds between two counts of what waits for MLflow."""
LONGEST_NAME = 100
"""Most characters of a cell's name in the name of its log; its id follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A cell that failed for good."""

    name: str
    reason: str
    log: Path


class Watcher(Protocol):
    """Receives the events of cells, to show them to the user."""

    def tick(self, *, waiting: str | None) -> None:
        """Called several times a second; `waiting` says why results do not reach MLflow."""

    def cell_ended(
        self, name: str, *, objective: float, reason: str | None, log: Path | None = None
    ) -> None:
        """A cell is finished, or has failed for good if there is a reason, with its log."""

    def cell_retried(self, name: str, *, reason: str) -> None:
        """A cell failed and is retried."""

    def stopping(self) -> None:
        """A stop is requested: running cells finish their epoch."""

    def cell_noted(self, name: str, *, note: str) -> None:
        """A cell had a problem that did not stop it."""


class SweepListener:
    """Listens to events in Tune's loop; it is quick and never calls MLflow.

    Args:
        work: Maps configurations to cells.
        journal: Where results are written first.
        leases: Released when a cell ends.
        delivery: Knows whether MLflow answers.
        progress: Counts cells and epochs.
        board: Has each cell as it is.
        watcher: Told about each event last.
        describe: Makes the description of a cell's MLflow run.
        logs: The folder of the cells' log files.
    """

    def __init__(
        self,
        *,
        work: Jobs,
        journal: Journal,
        leases: Leases,
        delivery: Delivery,
        progress: Progress,
        board: Board,
        watcher: Watcher,
        describe: Callable[[Cell], CellDescription],
        logs: Path,
    ) -> None:
        self.work = work
        self.journal = journal
        self.leases = leases
        self.delivery = delivery
        self.progress = progress
        self.board = board
        self.watcher = watcher
        self.describe = describe
        self.logs = logs
        self.failures: list[Failure] = []
        self.train_s = self.journal_s = 0.0
        self.refused: DiskFullError | GoneError | None = None
        """Why the journal can no longer be used; the sweep then ends."""
        self._cells: dict[str, Cell] = {}
        self._last: dict[str, EpochReport] = {}
        self._begins: dict[str, int] = {}
        self._over: set[str] = set()
        self._is_stopping = self._shall_say_stopping = False
        self._counted_at = -float("inf")
        self._notes: dict[str, list[str]] = {}

    def started(self, config: Mapping[str, Any]) -> None:
        """Journals that a cell starts or restarts."""
        key, cell = self.work.key(config), self.work.trial(config)
        self._cells[key] = cell
        self._begins[key] = config.get("begins", 0)
        with self._journaling():
            self.journal.begin(self.describe(cell))
        self.board.begin(key, labels=cell.labels, epochs=cell.train.all_epochs)
        self.progress.start(
            key,
            name=cell.name,
            epochs=cell.train.all_epochs,
            work=lambda: work_of(cell.train.to_mapping()),
        )

    def reported(self, key: str, report: EpochReport) -> None:
        """Journals the measurements of a cell."""
        points = [p for series in report.points for p in _points(series)]
        with self._journaling():
            self.journal.append(key, points)
        self.board.append(key, points)
        self._last[key] = report
        self._tell(key, report.notes)
        # The first epochs are those that other cells trained; they were counted there.
        own = [series for series in report.points if series.step >= report.num_inherited]
        spent_s = sum(series.values["epoch_s"] for series in own)
        self.train_s += spent_s
        self.progress.report(
            key,
            done=report.epoch,
            num_new=len(own),
            spent_s=spent_s,
            objective=report.objective,
            inherited=report.num_inherited,
            new=[Epoch(one.step, one.values["epoch_s"], one.time_ms) for one in own],
        )

    def ended(self, key: str) -> None:
        """Journals the summary of a cell, and that it is finished."""
        last = self._last.get(key)
        if self._is_stopping and (last is None or not last.is_last):
            # Only the epoch has ended, because of a stop request; a later sweep resumes the cell.
            return
        cell, last = self._cells[key], self._last.pop(key)
        tags = self._tags(key, last) | self.work.uploads(cell)
        if last.is_last:
            tags[vocabulary.WEIGHTS_SHA256] = last.weights_sha256
        else:
            tags[vocabulary.STOPPED_EARLY] = f"after {last.epoch} epochs"
        summary = _points(last.summary)
        with self._journaling():
            self.journal.append(key, [*summary, *_inherited_points(last)])
            self.journal.end(key, State.FINISHED, tags)
            self.leases.release(cell.id)
        self.board.append(key, summary)
        self.board.end(key, State.FINISHED)
        self._log(cell, f"finished after {last.epoch} epochs{self._note(key, last)}")
        self._over.add(key)
        self.progress.end(key, failed=False)
        self.watcher.cell_ended(cell.name, objective=last.objective, reason=None)

    def failed(self, key: str, *, reason: str, details: str, final: bool) -> None:
        """Logs a failure; journals it if the cell is not retried."""
        cell, reason, details = self._cells[key], masked(reason), masked(details)
        path = self._log(cell, f"failed: {reason}\n{details}")
        if not final:
            self.progress.num_retries += 1
            self.watcher.cell_retried(cell.name, reason=reason)
            return
        self.failures.append(Failure(name=cell.name, reason=reason, log=path))
        tags = {
            vocabulary.REASON: reason[:MOST_NOTE],
            vocabulary.FAILURE_ARTIFACT: details or reason,
            **self._tags(key, self._last.get(key)),
        }
        with self._journaling():
            self.journal.end(key, State.FAILED, tags)
            self.leases.release(cell.id)
        self.board.end(key, State.FAILED, reason=reason)
        self._over.add(key)
        self.progress.end(key, failed=True)
        self.watcher.cell_ended(cell.name, objective=float("nan"), reason=reason, log=path)

    def gave_back(self, key: str, *, reason: str) -> None:
        """Journals and logs that a cell waits for more memory; its lease is kept."""
        with self._journaling():
            tags = self._tags(key, self._last.pop(key, None))
            self.journal.end(key, State.INTERRUPTED, tags)
        self._log(self._cells[key], f"gave its place back, to be trained later: {reason}")
        self.board.end(key, State.INTERRUPTED)
        self.progress.give_back(key)

    def draining(self, *, share: float, then: float) -> None:
        """Shows that too many trials share a GPU, and what follows."""
        note = f"out of memory with {share:g} of a GPU for a trial; no other begins until those "
        self.noted(self.work.study.title, f"{note}that run have ended, then each gets {then:g}")

    def noted(self, name: str, note: str) -> None:
        """Shows what happened besides, such as a draw that is no trial."""
        log.info("%s: %s", name, note)
        self.watcher.cell_noted(name, note=note)

    def resized(self, *, before: int, now: int) -> None:
        """Shows that another number of trials can run at once."""
        trials = "1 trial" if now == 1 else f"{now} trials"
        self.noted(self.work.study.title, f"room for {trials} at once now, {before} before")

    def open_of(self, cells: Mapping[str, Cell]) -> dict[str, Cell]:
        """The cells that have neither finished nor failed in this sweep, by key."""
        return {key: cell for key, cell in cells.items() if key not in self._over}

    def tick(self) -> None:
        """Looks whether the home is in its place, and lets the watcher update its display."""
        keep_foothold()
        if self.refused is None:
            with self._journaling():
                self.journal.refuse_gone()
        if self._shall_say_stopping:
            self._shall_say_stopping = False
            self.watcher.stopping()
        self._count_waiting()
        self.watcher.tick(waiting=self.delivery.last_error)

    def _count_waiting(self) -> None:
        """Counts what waits for MLflow, now and then while it does not answer."""
        now = time.monotonic()
        if self.delivery.last_error is None:
            self.board.num_waiting = 0
        elif now - self._counted_at > COUNT_EVERY_S:
            self._counted_at = now
            self.board.num_waiting = self.journal.num_waiting(self.work.study.key)

    def stopping(self, *, at_once: bool = False) -> None:
        """Notes the stop request; the watcher hears of it with the next tick.

        A signal handler calls it, perhaps while the display is being written.
        """
        self._shall_say_stopping = not (self._is_stopping or at_once)
        self._is_stopping = True

    def interrupt(self) -> None:
        """Journals that all running cells were interrupted."""
        for key in list(self.progress.running):
            tags = self._tags(key, self._last.get(key))
            with self._journaling():
                self.journal.end(key, State.INTERRUPTED, tags)
            self.board.end(key, State.INTERRUPTED)

    @contextmanager
    def _journaling(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        except (DiskFullError, GoneError) as error:
            if self.refused is None:
                self.refused = error
                # Stops like Ctrl-C. An exception in Tune's loop would only fail this one cell.
                signal.raise_signal(signal.SIGINT)
        self.journal_s += time.perf_counter() - started

    def _tell(self, key: str, notes: Iterable[str]) -> None:
        """Logs and shows each note of a cell once, even over several reports and retries."""
        cell, told = self._cells[key], self._notes.setdefault(key, [])
        for note in map(masked, notes):
            if note not in told:
                told.append(note)
                self._log(cell, note)
                self.watcher.cell_noted(cell.name, note=note)

    def _tags(self, key: str, report: EpochReport | None) -> dict[str, str]:
        """Tags of a cell at its end, finished or not: inherited epochs, stages and notes."""
        notes = self._notes.get(key)
        noted = {vocabulary.NOTE: "; ".join(notes)[:MOST_NOTE]} if notes else {}
        return {**_inherited_tags(report), **noted}

    def _note(self, key: str, report: EpochReport) -> str:
        """Text for a cell's log on which epochs other cells trained; empty: none, as planned."""
        text, begins = report.inherited_text, self._begins[key]
        if report.num_inherited < begins:
            text = text or "all trained by itself"
            text += f"; it did not start from the shared checkpoint after {begins} epochs"
        return f", {text}" if text else ""

    def _log(self, cell: Cell, text: str) -> Path:
        path = self.logs / f"{file_name(cell.name)}-{cell.id}.log"
        if self.journal.is_gone:
            # Nothing of a home that was moved is made anew.
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {cell.name}: {text.rstrip()}\n")
        # The results are in the journal, so a failed log must not end the sweep.
        except OSError as error:
            log.warning("%s cannot be written: %s", path, error)
        return path


def file_name(name: str) -> str:
    """The name as a valid file name: shortened, with other characters replaced by hyphens."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name[:LONGEST_NAME]).strip("-.") or "cell"


def _inherited_tags(report: EpochReport | None) -> dict[str, str]:
    if report is None:
        return {}
    texts = {
        vocabulary.INHERITED: report.inherited_text,
        vocabulary.BEGAN_FROM: "; ".join(report.began_from),
    }
    return {tag: text for tag, text in texts.items() if text}


def _inherited_points(report: EpochReport) -> list[Point]:
    num, last = report.num_inherited, report.summary
    return [Point(vocabulary.INHERITED_EPOCHS, last.step, num, last.time_ms)] if num else []


def _points(series: Series) -> list[Point]:
    return [Point(key, series.step, value, series.time_ms) for key, value in series.values.items()]
