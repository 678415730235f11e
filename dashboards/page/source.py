"""What the page shows, read from MLflow when somebody looks, and kept for a moment."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from dashboards.curves import Curve
from dashboards.page.watched import FRESH_S, Watched
from dashboards.runs import StudyRuns, finished_cells
from dashboards.summary import Summary, Watch
from dashboards.switches import switches_of
from orchestrator.errors import OrchestratorError
from orchestrator.home import database_of
from orchestrator.mlflow_reader.artifacts import artifact_text
from orchestrator.mlflow_reader.cells import RecordedVariant
from orchestrator.mlflow_reader.outages import is_gone
from orchestrator.mlflow_reader.overview import CellNow, Switch
from orchestrator.mlflow_reader.reader import Reader, told
from orchestrator.vocabulary import State

K = TypeVar("K")
V = TypeVar("V")

MOST_KEPT = 4000
"""Most curves that are kept in memory."""


class GoneError(OrchestratorError):
    """The store has no such study, variant or cell."""


@dataclass(frozen=True, slots=True)
class RunContent:
    """What a run says of itself: its parameters, and the last value of each metric."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]


class Source:
    """Reads one store for all who look; each thing once, also if several ask at a time.

    All methods raise a StoreError if the store cannot be read.

    Args:
        tracking_uri: MLflow's store.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._variants: tuple[float, list[RecordedVariant]] = (-FRESH_S, [])
        self._watched: dict[str, Watched] = {}
        self._runs: dict[str, tuple[str, StudyRuns]] = {}
        self._curves: dict[tuple[str, str], Curve] = {}
        self._switches: dict[str, tuple[Switch, ...]] = {}
        self._contents: dict[str, RunContent] = {}

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.tracking_uri)

    def variants(self) -> list[RecordedVariant]:
        """The variants of all studies, the one that began last first."""
        with self._lock:
            read_at, found = self._variants
            if time.monotonic() - read_at >= FRESH_S:
                found = self._read_variants()
                self._variants = (time.monotonic(), found)
            return found

    def _read_variants(self) -> list[RecordedVariant]:
        database = database_of(self.tracking_uri)
        # MLflow would make it.
        if database is not None and not database.exists():
            return []
        with told(self.tracking_uri):
            experiments = self._reader.studies()
            return self._reader.variants(experiments)[::-1] if experiments else []

    def variant(self, study: str, run_id: str = "") -> RecordedVariant:
        """One variant of a study.

        Args:
            study: The study's name.
            run_id: The variant's run; empty: the study as in its file, else its newest variant.

        Raises:
            GoneError: If there is none.
        """
        own = [one for one in self.variants() if one.study == study]
        if run_id:
            own = [one for one in own if one.run_id == run_id]
        if not own:
            what = f"variant {run_id} of the study '{study}'" if run_id else f"study '{study}'"
            raise GoneError(f"the store has no {what}")
        return next((one for one in own if one.is_plain), own[0])

    def summary(self, variant: RecordedVariant) -> Summary:
        """The cells of a variant as they are now, or were a moment ago.

        Raises:
            StillReadingError: If nothing is known of it yet, and to read it takes long.
        """
        with self._lock:
            watched = self._watched.get(variant.run_id)
            if watched is None:
                watched = Watched(Watch(self._reader, variant))
                self._watched[variant.run_id] = watched
        with watched.lock, told(self.tracking_uri):
            return watched.look()

    def runs(self, summary: Summary) -> StudyRuns:
        """The finished cells with all that they say of themselves: a second for 1,000 of them."""
        run_id = summary.variant.run_id
        with self._lock_of(f"runs of {run_id}"):
            version, runs = self._runs.get(run_id, ("", summary.runs()))
            if version != summary.version:
                with told(self.tracking_uri):
                    runs = summary.runs().with_cells(finished_cells(self._reader, summary.variant))
                self._runs[run_id] = (summary.version, runs)
            return runs

    def curve(self, cell: CellNow, key: str) -> Curve:
        """A curve of a cell; of a finished one it is read once."""
        run_id = cell.run_id or ""
        return self._once(
            self._curves, (run_id, key), cell, lambda: self._reader.curve(run_id, key)
        )

    def switches(self, cell: CellNow) -> tuple[Switch, ...]:
        """Where the layers of a cell turned binary: epoch and layer."""
        if cell.switches:
            return cell.switches
        run_id, metrics = cell.run_id or "", self.content(cell).metrics
        return self._once(
            self._switches, run_id, cell, lambda: switches_of(self._reader, run_id, metrics)
        )

    def content(self, cell: CellNow) -> RunContent:
        """What the run of a cell says of itself."""

        def read() -> RunContent:
            try:
                data = self._reader.client.get_run(cell.run_id or "").data
            except Exception as error:
                # The overview of a study may still have a cell that was deleted.
                if is_gone(error):
                    return RunContent(params={}, metrics={})
                raise
            return RunContent(params=data.params, metrics=data.metrics)

        return self._once(self._contents, cell.run_id or "", cell, read)

    def text(self, run_id: str, name: str) -> str:
        """A text file among the artifacts of a run; empty if there is none."""
        with told(self.tracking_uri):
            return artifact_text(self._reader, run_id, name) or ""

    def _lock_of(self, name: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())

    def _once(self, kept: dict[K, V], key: K, cell: CellNow, read: Callable[[], V]) -> V:
        if key in kept:
            return kept[key]
        with told(self.tracking_uri):
            value = read()
        if cell.state == State.FINISHED:
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[key] = value
        return value
