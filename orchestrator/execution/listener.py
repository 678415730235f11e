"""What the driver does with each event of a sweep: journal first, then count, then tell."""

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
from orchestrator.launch.worker import Report
from orchestrator.record.delivery import Delivery
from orchestrator.record.journal import CellDescription, Journal, Point
from orchestrator.study.cells import Cell

log = logging.getLogger(__name__)

MOST_NOTE = 4000
"""Characters of a tag; MLflow takes 8,000."""

LONGEST_NAME = 100
"""Characters of a cell's name in that of its log; its id follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A cell that failed for good."""

    name: str
    reason: str
    log: Path


class Watcher(Protocol):
    """Shows running cells to a person."""

    def tick(self, *, waiting: str | None) -> None:
        """Several times a second; `waiting` says why results do not reach MLflow."""

    def cell_ended(self, name: str, *, objective: float, reason: str | None) -> None:
        """A cell is finished, or failed for good for a reason."""

    def cell_retried(self, name: str, *, reason: str) -> None:
        """A cell failed and is tried again."""

    def stopping(self) -> None:
        """Somebody wishes to stop: what runs comes to the end of its epoch."""

    def cell_noted(self, name: str, *, note: str) -> None:
        """Something went wrong in a cell and was done without."""


class SweepListener:
    """Listens to Tune's loop: quick, and never talks to MLflow.

    Args:
        work: What configurations mean.
        journal: Where results go first.
        leases: Given back when a cell is over.
        delivery: Asked whether MLflow answers.
        progress: Counted up.
        watcher: Told afterwards.
        describe: What the MLflow run of a cell says.
        logs: Folder of the cells' log files.
    """

    def __init__(
        self,
        *,
        work: Jobs,
        journal: Journal,
        leases: Leases,
        delivery: Delivery,
        progress: Progress,
        watcher: Watcher,
        describe: Callable[[Cell], CellDescription],
        logs: Path,
    ) -> None:
        self.work = work
        self.journal = journal
        self.leases = leases
        self.delivery = delivery
        self.progress = progress
        self.watcher = watcher
        self.describe = describe
        self.logs = logs
        self.failures: list[Failure] = []
        self.train_s = self.journal_s = 0.0
        self.refused: DiskFullError | None = None
        """Why nothing can be journaled any more; the sweep is to end then."""
        self._cells: dict[str, Cell] = {}
        self._last: dict[str, Report] = {}
        self._begins: dict[str, int] = {}
        self._over: set[str] = set()
        self._is_stopping = False
        self._notes: dict[str, list[str]] = {}

    def started(self, config: Mapping[str, Any]) -> None:
        """Journals that a cell begins, or begins again."""
        key, cell = self.work.key(config), self.work.trial(config)
        self._cells[key] = cell
        self._begins[key] = config.get("begins", 0)
        with self._journaling():
            self.journal.begin(self.describe(cell))
        self.progress.start(key, name=cell.name, epochs=cell.train.epochs)

    def reported(self, key: str, report: Report) -> None:
        """Journals what a cell measured."""
        points = [point for item in report["points"] for point in _points(item)]
        with self._journaling():
            self.journal.append(key, points)
        self._last[key] = report
        self._tell(key, report.get("notes", ()))
        inherited = sum(report["inherited"].values())
        # Epochs that others trained are the first ones, and were counted where they were trained.
        own = [item for item in report["points"] if item[0] >= inherited]
        spent_s = sum(item[2]["epoch_s"] for item in own)
        self.train_s += spent_s
        self.progress.report(
            key,
            done=report["epoch"],
            num_new=len(own),
            spent_s=spent_s,
            objective=report[vocabulary.OBJECTIVE],
            inherited=inherited,
        )

    def ended(self, key: str) -> None:
        """Journals the summary of a cell, and that it is finished."""
        if self._is_stopping and "weights_sha256" not in self._last.get(key, {}):
            # Not the end of the cell, only of the epoch: it goes on some other day.
            return
        cell, last = self._cells[key], self._last.pop(key)
        objective = last[vocabulary.OBJECTIVE]
        tags = self._tags(key, last) | self.work.uploads(cell)
        if "weights_sha256" in last:
            tags[vocabulary.WEIGHTS_SHA256] = last["weights_sha256"]
        else:
            tags[vocabulary.STOPPED_EARLY] = f"after {last['epoch']} epochs"
        with self._journaling():
            self.journal.append(key, [*_points(last["summary"]), *_inherited_points(last)])
            self.journal.end(key, vocabulary.FINISHED, tags)
            self.leases.release(cell.id)
        self._log(cell, f"finished after {last['epoch']} epochs{self._note(key, last)}")
        self._over.add(key)
        self.progress.end(key, failed=False)
        self.watcher.cell_ended(cell.name, objective=objective, reason=None)

    def failed(self, key: str, *, reason: str, details: str, final: bool) -> None:
        """Logs a failure; journals it if the cell is not tried again."""
        cell = self._cells[key]
        path = self._log(cell, f"failed: {reason}\n{details}")
        if not final:
            self.progress.num_retries += 1
            self.watcher.cell_retried(cell.name, reason=reason)
            return
        self.failures.append(Failure(name=cell.name, reason=reason, log=path))
        tags = {
            vocabulary.REASON: reason,
            vocabulary.FAILURE_ARTIFACT: details or reason,
            **self._tags(key, self._last.get(key)),
        }
        with self._journaling():
            self.journal.end(key, vocabulary.FAILED, tags)
            self.leases.release(cell.id)
        self._over.add(key)
        self.progress.end(key, failed=True)
        self.watcher.cell_ended(cell.name, objective=float("nan"), reason=reason)

    def open_of(self, cells: Mapping[str, Cell]) -> dict[str, Cell]:
        """Those of the cells that did not come to an end here, well or not, by key."""
        return {key: cell for key, cell in cells.items() if key not in self._over}

    def tick(self) -> None:
        """Keeps what is leased, and lets the watcher draw."""
        self.leases.renew()
        self.watcher.tick(waiting=self.delivery.last_error)

    def stopping(self) -> None:
        """Lets the watcher say that what runs comes to the end of its epoch."""
        self._is_stopping = True
        self.watcher.stopping()

    def interrupt(self) -> None:
        """Journals that the cells which still run were interrupted."""
        for key in self.progress.running:
            tags = self._tags(key, self._last.get(key))
            with self._journaling():
                self.journal.end(key, vocabulary.INTERRUPTED, tags)

    @contextmanager
    def _journaling(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        except DiskFullError as error:
            if self.refused is None:
                self.refused = error
                # As Ctrl-C: to raise in Tune's loop would fail one cell, and train the others on.
                signal.raise_signal(signal.SIGINT)
        self.journal_s += time.perf_counter() - started

    def _tell(self, key: str, notes: Iterable[str]) -> None:
        """What a cell notes, once each, however often it is said and the cell tried."""
        cell, told = self._cells[key], self._notes.setdefault(key, [])
        for note in notes:
            if note not in told:
                told.append(note)
                self._log(cell, note)
                self.watcher.cell_noted(cell.name, note=note)

    def _tags(self, key: str, report: Report | None) -> dict[str, str]:
        """What is known of a cell beside its measures, however it ends."""
        notes = self._notes.get(key)
        noted = {vocabulary.NOTE: "; ".join(notes)[:MOST_NOTE]} if notes else {}
        return {**_inherited_tags(report), **noted}

    def _note(self, key: str, report: Report) -> str:
        """What the log of a cell says of its beginning, if there is anything to say."""
        text, begins = inherited_text(report), self._begins[key]
        if sum(report["inherited"].values()) < begins:
            text = text or "all its own"
            text += f"; it did not begin with the {begins} epochs that were left for it"
        return f", {text}" if text else ""

    def _log(self, cell: Cell, text: str) -> Path:
        path = self.logs / f"{file_name(cell.name)}-{cell.id}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {cell.name}: {text.rstrip()}\n")
        # What matters is in the journal; a full disk must not end the sweep here.
        except OSError as error:
            log.warning("%s cannot be written: %s", path, error)
        return path


def file_name(name: str) -> str:
    """The name, cut, with whatever a path could stumble over turned into hyphens."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name[:LONGEST_NAME]).strip("-.") or "cell"


def inherited_text(report: Report) -> str:
    """How many of a cell's epochs others trained, and who: `20 epochs from forward`."""
    sources = report["inherited"].items()
    return ", ".join(f"{count} epochs from {name}" for name, count in sources)


def _inherited_tags(report: Report | None) -> dict[str, str]:
    text = inherited_text(report) if report else ""
    return {vocabulary.INHERITED: text} if text else {}


def _inherited_points(report: Report) -> list[Point]:
    count = sum(report["inherited"].values())
    step, time_ms, _ = report["summary"]
    return [Point(vocabulary.INHERITED_EPOCHS, step, count, time_ms)] if count else []


def _points(item: list[Any]) -> list[Point]:
    step, time_ms, values = item
    return [Point(key, step, value, time_ms) for key, value in values.items()]
