"""All cells of one variant of a study in any state, for those who watch it."""

import time
from collections import Counter
from dataclasses import dataclass, replace

from dashboards.runs import StudyRuns
from orchestrator import vocabulary
from orchestrator.labels import name_of, row_name, row_of
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant
from orchestrator.mlflow_reader.followed import Followed
from orchestrator.mlflow_reader.overview import WAITING, CellNow
from orchestrator.mlflow_reader.reader import Reader
from orchestrator.mlflow_reader.recorded_overview import Heard
from orchestrator.vocabulary import State

STATES = (
    State.RUNNING.value,
    State.FAILED.value,
    State.INTERRUPTED.value,
    WAITING,
    State.FINISHED.value,
)
"""The states of cells, those first that one looks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The cells of one variant of a study.

    Args:
        variant: The variant's run.
        cells: Its cells, in the study's order.
        version: Changes with the content.
    """

    variant: RecordedVariant
    cells: tuple[CellNow, ...]
    version: str

    @property
    def question(self) -> str:
        """The question that the study answers; empty if it names none."""
        return self.variant.tags.get("mlflow.note.content", "")

    def counts(self) -> dict[str, int]:
        """How many cells are in each state; only states that occur, in the order of STATES."""
        found = Counter(cell.state for cell in self.cells)
        return {state: found[state] for state in STATES if found[state]}

    def rows(self) -> dict[str, list[CellNow]]:
        """The cells of each row of the matrix, in the study's order."""
        rows_axis = self.variant.tags.get(vocabulary.ROWS_AXIS, "")
        over_axis = self.variant.tags.get(vocabulary.OVER_AXIS, "")
        found: dict[str, list[CellNow]] = {}
        for cell in self.cells:
            if rows_axis in cell.labels:
                name = row_name(row_of(cell.labels, rows_axis, over_axis))
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
        """The finished cells, as `dashboards.runs.study_runs` reads them, without their trials."""
        return StudyRuns(
            study=self.variant.study,
            title=self.variant.title or self.variant.study,
            experiment_id=self.variant.experiment_id,
            run_id=self.variant.run_id,
            tags=self.variant.tags,
            cells=tuple(
                RecordedCell(
                    run_id=cell.run_id or "",
                    name=name_of(cell.labels),
                    labels=cell.labels,
                    state=State.FINISHED,
                    metrics=cell.metrics,
                    ended_ms=cell.ended or 0,
                )
                for cell in self.cells
                if cell.state == State.FINISHED
            ),
            is_asked=True,
        )


class Watch:
    """Keeps the summary of a variant up to date; each look reads only what is new.

    All methods raise the errors of MLflow's client.

    Args:
        reader: Of the store.
        variant: The variant.
    """

    def __init__(self, reader: Reader, variant: RecordedVariant) -> None:
        self._followed = Followed(reader, variant)
        # Pages that a server before this one sent know its versions.
        self._born = time.time_ns()
        self._number = 0
        self._summary: Summary | None = None

    @property
    def title(self) -> str:
        """The variant's title."""
        return self._followed.variant.title

    def look(self, heard: Heard = lambda num, total: None) -> Summary:
        """The cells of the variant as they are now.

        Args:
            heard: Hears of the progress where all runs have to be read.
        """
        changed = self._followed.look(heard)
        known, tags = self._summary, self._followed.tags
        if known is None or changed or tags != known.variant.tags:
            self._number += 1
            known = self._summary = Summary(
                variant=replace(self._followed.variant, tags=tags),
                cells=tuple(self._followed.cells),
                version=f"{self._born:x}-{self._number}",
            )
        return known
