"""Follows a sweep from MLflow alone: its last overview, and what has ended or runs since then."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import (
    RecordedCell,
    RecordedVariant,
    counted,
    state_of,
)
from orchestrator.mlflow_reader.long_tags import joined
from orchestrator.mlflow_reader.overview import CURVE, CellNow
from orchestrator.mlflow_reader.reader import Reader
from orchestrator.mlflow_reader.recorded_overview import (
    Heard,
    cell_now,
    names_in,
    read_overview,
    written_overview,
)
from orchestrator.vocabulary import State

OVERLAP_MS = 5 * 60 * 1000
"""How far two machines' clocks may be apart, so that nothing that ended is missed."""
LATE_S = 5.0
"""Seconds that a mark may be late before its process counts as gone."""


class Followed:
    """The cells of one variant of a study, as MLflow has them; reads nothing until `look`.

    All methods raise the errors of MLflow's client.

    Args:
        reader: Of the store.
        variant: The variant.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, reader: Reader, variant: RecordedVariant, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.reader, self.variant, self.clock = reader, variant, clock
        self.tags: Mapping[str, str] = variant.tags
        self.written = 0
        """When the overview was written, Unix time in milliseconds; 0: it is not read yet."""
        self.cells: list[CellNow] = []
        self._places: dict[tuple[tuple[str, str], ...], int] = {}

    @property
    def state(self) -> State:
        """How far the sweep is, as it says itself; one that was killed still runs."""
        return state_of(self.tags)

    def look(self, heard: Heard = lambda num, total: None) -> list[tuple[int, CellNow]]:
        """Reads what is new; place and cell of what has changed.

        Args:
            heard: Hears of the progress where all runs have to be read.
        """
        run = self.reader.client.get_run(self.variant.run_id)
        self.tags = joined(run.data.tags)
        first = not self.written
        overview = (
            read_overview(self.reader, self.variant, heard)
            if first
            else written_overview(self.reader, self.variant.run_id)
        )
        changed: dict[int, CellNow] = {}
        if overview is not None and overview.written > self.written:
            self.written = overview.written
            for cell in overview.cells():
                self._put(cell, changed)
        for recorded in self._since():
            place = self._places.get(tuple(sorted(recorded.labels.items())))
            known = None if place is None else self.cells[place]
            self._put(_now(recorded, known), changed)
        return sorted(changed.items())

    def holders(self) -> list[tuple[str, float]]:
        """Who said that they sweep the study: name, and seconds until the mark expires."""
        prefix, now = vocabulary.HELD.format(holder=""), self.clock()
        found = []
        for key, text in self.tags.items():
            if key.startswith(prefix) and ".trials." not in key:
                try:
                    mark = json.loads(text)
                    found.append((str(mark["name"]), float(mark["until"]) - now))
                except (ValueError, TypeError, KeyError):
                    continue
        return found

    def is_marked_dead(self) -> bool:
        """Whether all who said that they sweep the study have not renewed it."""
        holders = self.holders()
        return bool(holders) and all(left < -LATE_S for _, left in holders)

    def _since(self) -> list[RecordedCell]:
        """Cells that have ended since the overview was written, or that run."""
        own = {vocabulary.VARIANT: self.variant.id}
        experiments = [self.variant.experiment_id]
        ended = f"attributes.end_time > {self.written - OVERLAP_MS}"
        running = "attributes.status = 'RUNNING'"
        cells = self.reader.cells(experiments, own, where=ended)
        return counted([*cells, *self.reader.cells(experiments, own, where=running)])

    def _put(self, cell: CellNow, changed: dict[int, CellNow]) -> None:
        axes = names_in(self.tags.get(vocabulary.AXES, ""))
        if set(axes) == cell.labels.keys():
            # The tags of a run have no order; names do.
            cell.labels = {axis: cell.labels[axis] for axis in axes}
        labels = tuple(sorted(cell.labels.items()))
        if labels not in self._places:
            self._places[labels] = len(self.cells)
            self.cells.append(cell)
        elif self.cells[self._places[labels]] == cell:
            return
        place = self._places[labels]
        self.cells[place] = changed[place] = cell


def _now(recorded: RecordedCell, known: CellNow | None) -> CellNow:
    """A cell as its run has it, with the curve that is known of it."""
    if known is None:
        return cell_now(recorded)
    now = cell_now(recorded, epochs=known.epochs)
    metrics = {
        **known.metrics,
        **{key: now.metrics[key] for key in known.metrics.keys() & now.metrics},
    }
    for key in (CURVE, *vocabulary.SUMMARIES):
        if key in now.metrics:
            metrics[key] = now.metrics[key]
    is_over = recorded.state == State.FINISHED
    return replace(
        now,
        metrics=metrics,
        epoch=max(known.epoch, now.epoch, known.epochs if is_over and not now.epoch else 0),
        started=known.started or now.started,
        ended=known.ended if known.state == now.state else now.ended,
        switches=known.switches,
        curve=known.curve,
    )
