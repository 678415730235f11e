"""What the page shows, read from MLflow when somebody looks, and kept for a moment."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dashboards.curves import Curve, curve_of, switches_of
from dashboards.summary import Summary, SummaryCell, summary_of
from orchestrator.errors import OrchestratorError
from orchestrator.home import database_of
from orchestrator.mlflow_reader.artifacts import artifact_text
from orchestrator.mlflow_reader.cells import RecordedVariant
from orchestrator.mlflow_reader.reader import Reader, told
from orchestrator.vocabulary import State

K = TypeVar("K")
V = TypeVar("V")

FRESH_S = 1.0
"""Seconds for which what was read is shown without asking again."""
SHARE = 5
"""What took long to read is kept for as many times longer."""
MOST_CURVES = 4000
"""Most curves that are kept in memory."""


class GoneError(OrchestratorError):
    """The store has no such study, variant or cell."""


@dataclass(slots=True)
class _Kept:
    summary: Summary
    read_at: float
    took_s: float

    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < max(FRESH_S, SHARE * self.took_s)


class Source:
    """Reads one store for all who look; each thing once, also if several ask at a time.

    Args:
        tracking_uri: MLflow's store.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self._reader = Reader(tracking_uri)
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._summaries: dict[str, _Kept] = {}
        self._variants: tuple[float, list[RecordedVariant]] = (-FRESH_S, [])
        self._curves: dict[tuple[str, str], Curve] = {}
        self._switches: dict[str, tuple[tuple[int, str], ...]] = {}

    def variants(self) -> list[RecordedVariant]:
        """The variants of all studies, the one that began last first.

        Raises:
            StoreError: If the store cannot be read.
        """
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
            StoreError: If the store cannot be read.
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
            StoreError: If the store cannot be read.
        """
        with self._lock:
            lock = self._locks.setdefault(variant.run_id, threading.Lock())
        with lock:
            kept = self._summaries.get(variant.run_id)
            if kept is None or not kept.is_fresh():
                began = time.monotonic()
                with told(self.tracking_uri):
                    summary = summary_of(self._reader, variant)
                now = time.monotonic()
                kept = _Kept(summary, read_at=now, took_s=now - began)
                self._summaries[variant.run_id] = kept
            return kept.summary

    def curve(self, cell: SummaryCell, key: str) -> Curve:
        """A curve of a cell; of a finished one it is read once.

        Raises:
            StoreError: If the store cannot be read.
        """
        return self._once(
            self._curves,
            (cell.run_id, key),
            cell,
            lambda: curve_of(self._reader, cell.run_id, key),
        )

    def switches(self, cell: SummaryCell) -> tuple[tuple[int, str], ...]:
        """Where the layers of a cell turned binary: epoch and layer.

        Raises:
            StoreError: If the store cannot be read.
        """
        if cell.switches is not None:
            return cell.switches
        return self._once(
            self._switches,
            cell.run_id,
            cell,
            lambda: switches_of(self._reader, cell.run_id, cell.metrics),
        )

    def params(self, cell: SummaryCell) -> dict[str, str]:
        """The parameters of a cell's trial.

        Raises:
            StoreError: If the store cannot be read.
        """
        with told(self.tracking_uri):
            return dict(sorted(self._reader.client.get_run(cell.run_id).data.params.items()))

    def text(self, run_id: str, name: str) -> str:
        """A text file among the artifacts of a run; empty if there is none.

        Raises:
            StoreError: If the store cannot be read.
        """
        with told(self.tracking_uri):
            return artifact_text(self._reader.client, run_id, name) or ""

    def _once(self, kept: dict[K, V], key: K, cell: SummaryCell, read: Callable[[], V]) -> V:
        if key in kept:
            return kept[key]
        with told(self.tracking_uri):
            value = read()
        if cell.state == State.FINISHED:
            if len(kept) >= MOST_CURVES:
                kept.clear()
            kept[key] = value
        return value
