"""All cells of one variant of a study in any state, for those who watch it."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dashboards.matrix import row_of
from dashboards.runs import StudyRuns
from orchestrator import vocabulary
from orchestrator.mlflow_reader.artifacts import artifact_text
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant, counted, recorded_cell
from orchestrator.mlflow_reader.long_tags import joined
from orchestrator.mlflow_reader.reader import Reader
from orchestrator.vocabulary import State

if TYPE_CHECKING:
    from orchestrator.mlflow_reader.client import Run

WAITING = "waiting"
"""The state of a cell that has no run yet."""
STATES = (
    State.RUNNING.value,
    State.FAILED.value,
    State.INTERRUPTED.value,
    WAITING,
    State.FINISHED.value,
)
"""The states of cells, those first that one looks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryCell:
    """What one sees of a cell.

    Args:
        run_id: MLflow's run; empty: it has none yet.
        state: One of STATES.
        reason: Why it failed, in one line; empty: it did not.
        labels: Axis name to label.
        started_ms: When it began, Unix time in milliseconds; 0: it has not.
        ended_ms: When it ended, likewise.
        epochs: Planned epochs; 0: unknown.
        epoch: Epochs that are done.
        metrics: Summaries, and the last point of curves.
        switches: Epochs at which a layer turned binary, with the layer; None: not in the summary.
    """

    run_id: str
    state: str
    labels: Mapping[str, str]
    reason: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    epochs: int = 0
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    switches: tuple[tuple[int, str], ...] | None = None

    @property
    def name(self) -> str:
        """Its labels as readable text."""
        return " · ".join(
            label if number == 0 else f"{axis} {label}"
            for number, (axis, label) in enumerate(self.labels.items())
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The cells of one variant of a study.

    Args:
        variant: The variant's run.
        cells: Its cells, in the study's order as far as that is known.
        num_planned: How many cells it has, with those that have no run yet.
        version: Changes with the content.
    """

    variant: RecordedVariant
    cells: tuple[SummaryCell, ...]
    num_planned: int
    version: str

    @property
    def study(self) -> str:
        """The study's name."""
        return self.variant.study

    @property
    def question(self) -> str:
        """The question that the study answers; empty if it names none."""
        return self.variant.tags.get("mlflow.note.content", "")

    def counts(self) -> dict[str, int]:
        """How many cells are in each state; only states that occur, in the order of STATES."""
        found = Counter(cell.state for cell in self.cells)
        if (missing := self.num_planned - len(self.cells)) > 0:
            found[WAITING] += missing
        return {state: found[state] for state in STATES if found[state]}

    def rows(self) -> dict[str, list[SummaryCell]]:
        """The cells of each row of the matrix, in the study's order."""
        rows_axis = self.variant.tags.get(vocabulary.ROWS_AXIS, "")
        over_axis = self.variant.tags.get(vocabulary.OVER_AXIS, "")
        found: dict[str, list[SummaryCell]] = {}
        for cell in self.cells:
            if rows_axis in cell.labels:
                name = " · ".join(row_of(cell.labels, rows_axis, over_axis))
                found.setdefault(name, []).append(cell)
        return found

    def metrics(self) -> list[str]:
        """The metrics that finished cells have, the study's own first, then summaries."""
        own = self.variant.tags.get(vocabulary.METRIC_NAME)
        names = {name for cell in self.cells for name in cell.metrics}
        return sorted(
            names, key=lambda name: (name != own, name not in vocabulary.SUMMARIES, name)
        )

    def runs(self) -> StudyRuns:
        """The finished cells, as `dashboards.runs.study_runs` reads them."""
        done = [cell for cell in self.cells if cell.state == State.FINISHED]
        return StudyRuns(
            study=self.study,
            title=self.variant.title or self.study,
            experiment_id=self.variant.experiment_id,
            run_id=self.variant.run_id,
            tags=self.variant.tags,
            cells=tuple(
                RecordedCell(
                    run_id=cell.run_id,
                    name=cell.name,
                    labels=cell.labels,
                    state=State.FINISHED,
                    metrics=cell.metrics,
                    ended_ms=cell.ended_ms,
                )
                for cell in done
            ),
            is_asked=True,
        )


def summary_of(reader: Reader, variant: RecordedVariant) -> Summary:
    """The cells of a variant as they are now.

    Args:
        reader: Of the store.
        variant: The variant.
    """
    cells = read_cells(reader, variant)
    plan = artifact_text(reader.client, variant.run_id, vocabulary.PLAN_ARTIFACT)
    return made(variant, cells, _planned(plan or "{}"))


def made(variant: RecordedVariant, cells: tuple[SummaryCell, ...], num_planned: int) -> Summary:
    """The summary of these cells, with its version."""
    content = repr((variant.status, variant.tags.get(vocabulary.STATE), num_planned, cells))
    return Summary(
        variant=variant,
        cells=cells,
        num_planned=max(num_planned, len(cells)),
        version=hashlib.sha256(content.encode()).hexdigest()[:16],
    )


def _planned(text: str) -> int:
    """The number of cells in a plan; 0: somebody changed it, or it is of an earlier version."""
    try:
        number = json.loads(text).get("num_cells", 0)
    except (ValueError, AttributeError):
        return 0
    return number if isinstance(number, int) else 0


def read_cells(reader: Reader, variant: RecordedVariant) -> tuple[SummaryCell, ...]:
    """The recorded cells of a variant, each from its own run: a second for 1,000 of them.

    Args:
        reader: Of the store.
        variant: The variant.
    """
    finds = {vocabulary.KIND: vocabulary.CELL, vocabulary.VARIANT: variant.id}
    runs = {str(run.info.run_id): run for run in reader.runs([variant.experiment_id], finds)}
    cells = counted(
        recorded_cell(
            joined(run.data.tags),
            run_id=run_id,
            name=run.info.run_name or "",
            params=run.data.params,
            metrics=run.data.metrics,
            ended_ms=run.info.end_time or 0,
        )
        for run_id, run in runs.items()
    )
    found = [_cell(cell, runs[cell.run_id]) for cell in cells if cell.is_placed]
    return tuple(_ordered(found, variant))


def _cell(cell: RecordedCell, run: "Run") -> SummaryCell:
    text = cell.params.get("epochs", "")
    planned = int(text) if text.isdecimal() else 0
    is_finished = cell.state == State.FINISHED
    reason = str(run.data.tags.get(vocabulary.REASON, "")).strip()
    return SummaryCell(
        run_id=cell.run_id,
        state=cell.state.value,
        labels=cell.labels,
        reason=reason.splitlines()[0] if reason else "",
        started_ms=run.info.start_time or 0,
        ended_ms=cell.ended_ms,
        epochs=planned,
        epoch=planned if is_finished else _epochs_done(run),
        metrics=cell.metrics,
    )


def _epochs_done(run: "Run") -> int:
    steps = [point.step for point in run.data.to_proto().metrics if point.key == "epoch_s"]
    return int(steps[0]) + 1 if steps else 0


def _ordered(cells: Sequence[SummaryCell], variant: RecordedVariant) -> list[SummaryCell]:
    """Cells in the order of the study's axes and rows; labels of others by size, then by name."""
    axes = [axis for axis in variant.tags.get(vocabulary.AXES, "").split(",") if axis]
    rows_axis = variant.tags.get(vocabulary.ROWS_AXIS, "")
    runs = StudyRuns(
        study="",
        title="",
        experiment_id="",
        run_id="",
        tags=variant.tags,
        cells=(),
        is_asked=True,
    )
    place = {label: number for number, label in enumerate(runs.labels())}

    def key(cell: SummaryCell) -> list[tuple[float, str]]:
        found = []
        for axis, label in cell.labels.items():
            if axis == rows_axis and label in place:
                found.append((float(place[label]), ""))
            else:
                is_number = label.replace(".", "", 1).isdecimal()
                found.append((float(label), "") if is_number else (float(len(place)), label))
        return found

    arranged = [
        replace(
            cell,
            labels={
                axis: cell.labels[axis]
                for axis in (*axes, *(axis for axis in cell.labels if axis not in axes))
                if axis in cell.labels
            },
        )
        for cell in cells
    ]
    return sorted(arranged, key=key)
