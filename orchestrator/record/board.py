"""The board: all cells of a study as they are now, for whoever looks while a sweep goes on.

It is told what the journal is told, and looks into the journal for cells of other processes. Its
text is the overview that MLflow gets (`orchestrator.mlflow_reader.overview`).
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell, labels_of
from orchestrator.mlflow_reader.overview import (
    CURVE,
    WAITING,
    CellNow,
    Fragments,
    Head,
    Overview,
    Switch,
    fragments,
    head_of,
    in_parts,
    text_of,
)
from orchestrator.mlflow_reader.recorded_overview import (
    SHOWN,
    cell_now,
    epochs_of,
    names_in,
    planned_cells,
    shown_metrics,
)
from orchestrator.record.entries import Point, StudyRecord
from orchestrator.record.journal import Journal
from orchestrator.vocabulary import State

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec

MOST_LOOKED_UP = 200
"""Cells of other sweeps that one look into the journal reads, for less than a second."""
_OVER: Final = frozenset({State.FINISHED.value, State.FAILED.value, State.INTERRUPTED.value})
_LAYER = "binary/"
_NO_LAYER = "binary/layers"


@dataclass(slots=True)
class _Place:
    """A cell on the board, and what is kept to bring it up to date."""

    key: str
    cell: CellNow
    points: dict[int, float] = field(default_factory=dict)
    is_ours: bool = False
    before: str = ""
    changed: int = 0


class Board:
    """The cells of a study; several threads may use it.

    Args:
        head: What the overview says of the study; from `head_of`.
        metrics: Names of the metrics that are kept of each cell.
        cells: The cells in the study's order, by key.
        before: Key to the state in the journal of cells that nobody trains, and that wait again.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        head: Head,
        *,
        metrics: Sequence[str],
        cells: Mapping[str, CellNow],
        before: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._head, self._clock = head, clock
        axes: Any = head["axes"]
        self._axes: tuple[str, ...] = tuple(axes)
        self._metrics = tuple(dict.fromkeys((*metrics, CURVE)))
        self._kept = frozenset(self._metrics)
        self._lock = threading.Lock()
        waits = before or {}
        self._places = [
            _Place(key, cell, before=waits.get(key, "")) for key, cell in cells.items()
        ]
        self._at = {place.key: place for place in self._places}
        self._revision = 0
        self.num_waiting = 0
        """Cells with results that wait for MLflow; counted while it does not answer."""
        self._texts: list[Fragments] = []
        self._texts_at = -1

    @property
    def revision(self) -> int:
        """A number that grows with every change."""
        return self._revision

    def changed(self, since: int) -> list[tuple[int, CellNow]]:
        """Place and cell of what has changed after a revision; of all cells for -1."""
        places = enumerate(list(self._places))
        return [(number, place.cell) for number, place in places if place.changed > since]

    def begin(self, key: str, *, labels: Mapping[str, str], epochs: int) -> None:
        """A cell starts or restarts in this process."""
        with self._lock:
            place = self._place(key, CellNow(labels=labels, epochs=epochs))
            cell = place.cell
            place.is_ours, place.before = True, ""
            cell.state, cell.reason, cell.ended = State.RUNNING.value, None, None
            cell.started = cell.started or self._now()
            self._touch(place)

    def append(self, key: str, points: Iterable[Point]) -> None:
        """A cell has new points."""
        with self._lock:
            self._append(self._at[key], points)

    def end(self, key: str, state: State, *, reason: str = "") -> None:
        """A cell is finished, has failed, or was interrupted."""
        with self._lock:
            place = self._at[key]
            place.is_ours = False
            place.cell.state, place.cell.ended = state.value, self._now()
            place.cell.reason = _line(reason)
            # Known to have no more points, so that it is not looked up.
            place.cell.curve = place.cell.curve or ()
            self._touch(place)

    def look(self, journal: Journal, study: str, *, most: int | None = MOST_LOOKED_UP) -> None:
        """Takes over from the journal what is known of runs, and of cells of other processes.

        Args:
            journal: The home's journal.
            study: The key of the study's variant.
            most: Most cells to look up; what remains waits for the next look. None: all.
        """
        num = 0
        for key, state, run_id in journal.states(study):
            place = self._at.get(key)
            if place is not None and place.cell.run_id != run_id:
                with self._lock:
                    place.cell.run_id = run_id
                    self._touch(place)
            if place is not None and (place.is_ours or _is_as(place, state)):
                continue
            if most is None or num < most:
                num += 1
                self._look_up(journal, key, run_id)

    def adopt(self, overview: Overview, *, is_whole: bool = False) -> None:
        """Takes over what an earlier overview knows of cells that this process does not train.

        Args:
            overview: The overview.
            is_whole: Take its word also for cells that are not known to have begun, or not at all.
        """
        known = {_labels(place.cell, self._axes): place for place in self._places}
        for cell in overview.cells():
            labels = _labels(cell, self._axes)
            place = known.get(labels)
            with self._lock:
                if place is None and is_whole:
                    place = self._place(",".join(labels), CellNow(labels=cell.labels))
                is_new = is_whole and place is not None and place.cell.run_id is None
                if place is None or place.is_ours:
                    continue
                if not is_new and not _knows_more(cell, place.cell):
                    continue
                cell.epochs = place.cell.epochs or cell.epochs
                cell.metrics = {**cell.metrics, **place.cell.metrics}
                place.cell = cell
                self._touch(place)

    def text(self) -> str:
        """The overview as text; costs more the more cells have changed since the last time."""
        now = self._revision
        if len(self._texts) != len(self._places):
            self._texts, self._texts_at = [()] * len(self._places), -1
        for number, place in enumerate(self._places[: len(self._texts)]):
            if place.changed > self._texts_at:
                with self._lock:
                    self._texts[number] = fragments(place.cell, self._axes, self._metrics)
        self._texts_at = now
        return text_of(self._head, self._now(), self._texts, self._metrics)

    def _look_up(self, journal: Journal, key: str, run_id: str | None) -> None:
        entry = journal.entry(key)
        if entry is None:
            return
        points = journal.chosen(key, self._metrics)
        labels = labels_of(entry.description.tags)
        with self._lock:
            place = self._place(key, CellNow(labels=labels))
            place.cell.epochs = place.cell.epochs or epochs_of(entry.description.tags)
            if place.is_ours:
                return
            cell, place.before = place.cell, ""
            cell.state, cell.run_id = entry.state.value, run_id
            cell.reason = _line(entry.tags.get(vocabulary.REASON, ""))
            times = [point.time_ms for point in points]
            cell.started = cell.started or min(times, default=None)
            cell.ended = max(times, default=None) if cell.state in _OVER else None
            self._append(place, points)
            # Known to be nothing, so that it is not looked up again.
            cell.curve = cell.curve or ()

    def _append(self, place: _Place, points: Iterable[Point]) -> None:
        cell, values, switches = place.cell, dict(place.cell.metrics), dict[str, int]()
        for point in points:
            if point.key == CURVE:
                place.points[point.step] = point.value
            elif point.key in self._kept:
                values[point.key] = point.value
            elif point.key.startswith(_LAYER) and point.key != _NO_LAYER and point.value > 0:
                switches.setdefault(point.key.removeprefix(_LAYER), point.step)
        if place.points:
            last = max(place.points)
            cell.epoch = max(cell.epoch, last + 1)
            values[CURVE] = place.points[last]
            cell.curve = in_parts(place.points, cell.epochs or cell.epoch)
        cell.metrics = values
        cell.switches = _joined(cell.switches, switches)
        self._touch(place)

    def _place(self, key: str, cell: CellNow) -> _Place:
        """The cell's place; a new one for a cell that a search has drawn."""
        if key not in self._at:
            self._at[key] = _Place(key, cell)
            self._places.append(self._at[key])
        return self._at[key]

    def _touch(self, place: _Place) -> None:
        self._revision += 1
        place.changed = self._revision

    def _now(self) -> int:
        return int(self._clock() * 1000)


def board_of(
    study: "StudySpec",
    recorded: Iterable[RecordedCell],
    *,
    holder_of: Callable[[str], str | None],
) -> Board:
    """The board of a study when a sweep of it begins.

    Args:
        study: The study.
        recorded: Its recorded cells; those that are not finished wait again.
        holder_of: Names the process that trains the trial with this id; None: no one does.
    """
    from orchestrator.study.spec import cell_key

    planned = () if study.is_searched else study.trials
    cells = {
        cell_key(study, cell): CellNow(labels=cell.labels, epochs=cell.train.all_epochs)
        for cell in planned
    }
    before: dict[str, str] = {}
    for there in recorded:
        cell = cell_now(there, epochs=cells[there.key].epochs if there.key in cells else 0)
        is_begun = there.state == State.RUNNING and holder_of(there.trial) is not None
        if there.state != State.FINISHED and not is_begun:
            before[there.key] = cell.state
            cell.state, cell.reason, cell.ended = WAITING, None, None
        cells[there.key] = cell
    head = head_of(
        study.name,
        "" if study.is_plain else study.title,
        [axis.name for axis in study.axes],
        study.metric.name,
    )
    metrics = (*SHOWN, study.metric.name, *study.matrix.also)
    return Board(head, metrics=metrics, cells=cells, before=before)


def board_of_record(record: StudyRecord, journal: Journal) -> Board:
    """The board of a study that no sweep is going on of, from the journal alone.

    Args:
        record: The study's record in the journal.
        journal: The journal.
    """
    tags = record.tags
    axes = names_in(tags.get(vocabulary.AXES, ""))
    keys = {
        _labels(CellNow(labels=labels_of(entry.description.tags)), axes): entry.description.cell
        for entry in journal.entries(record.key)
    }
    planned = planned_cells(record.texts.get(vocabulary.PLAN_ARTIFACT, ""), axes)
    metric, variant = tags.get(vocabulary.METRIC_NAME, ""), record.title
    board = Board(
        head_of(record.name, "" if variant == record.name else variant, axes, metric),
        metrics=shown_metrics(tags),
        cells={keys.get(place, ",".join(place)): cell for place, cell in planned.items()},
    )
    board.look(journal, record.key, most=None)
    return board


def _labels(cell: CellNow, axes: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.labels.get(axis, "") for axis in axes)


def _is_as(place: _Place, state: str) -> bool:
    """Whether the journal has nothing more of a cell that another process trains or trained."""
    cell = place.cell
    if place.before:
        return place.before == state
    return cell.state == state and state in _OVER and cell.curve is not None


def _knows_more(there: CellNow, here: CellNow) -> bool:
    """Whether an earlier overview has a cell in the same state, and its curve, which we lack."""
    is_same = there.run_id == here.run_id and there.state == here.state
    return is_same and here.state != WAITING and here.curve is None and there.curve is not None


def _line(reason: str) -> str | None:
    """The first line of a reason; None: there is none."""
    lines = reason.strip().splitlines()
    return lines[0] if lines else None


def _joined(known: tuple[Switch, ...], found: Mapping[str, int]) -> tuple[Switch, ...]:
    """Switches by epoch, of each layer the first."""
    first = dict(found) | {layer: epoch for epoch, layer in known}
    return tuple(sorted((epoch, layer) for layer, epoch in first.items()))
