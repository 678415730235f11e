"""What the journal holds of studies and cells: plain values, as MLflow shall have them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.study.cells import study_key
from orchestrator.vocabulary import State


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRecord:
    """The record of one variant of a study, for its experiment and run in MLflow.

    Args:
        name: The name of the study and of the experiment.
        variant: Hash of what the variant's cells have in common.
        title: The name of the run.
        question: The question that the study answers.
        tags: Tags of the run, without those that identify it.
        texts: File name to text of the run's artifacts.
        state: The sweep's state; empty: unchanged.
    """

    name: str
    variant: str
    title: str
    question: str
    tags: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    state: State | Literal[""] = ""

    @property
    def key(self) -> str:
        """The unique key of the variant."""
        return study_key(self.name, self.variant)


@dataclass(frozen=True, kw_only=True, slots=True)
class CellDescription:
    """The description with which a cell's MLflow run starts.

    Args:
        cell: The unique key of the cell.
        study: The key of its variant, whose record is already in the journal.
        trial: The id of its trial.
        name: The name of the run.
        params: Flat parameters.
        tags: Tags, including those that identify the run.
    """

    cell: str
    study: str
    trial: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A cell in the journal."""

    description: CellDescription
    state: State
    tags: Mapping[str, str]
    run_id: str | None
    state_sent: State | None


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric; `value` may be NaN."""

    key: str
    step: int
    value: float
    time_ms: int


def record_of(text: str) -> StudyRecord:
    """The record that the journal keeps as JSON."""
    content = json.loads(text)
    return StudyRecord(**{**content, "state": State(content["state"]) if content["state"] else ""})


def entry_of(row: tuple[str, str, str, str | None, str | None]) -> Entry:
    """The cell in a row of the journal."""
    description, state, tags, run_id, state_sent = row
    return Entry(
        description=CellDescription(**json.loads(description)),
        state=State(state),
        tags=json.loads(tags),
        run_id=run_id,
        state_sent=State(state_sent) if state_sent else None,
    )


def point_of(row: tuple[str, int, float | None, int]) -> Point:
    """The point in a row of the journal."""
    key, step, value, time_ms = row
    # SQLite stores NaN as NULL.
    return Point(key, step, float("nan") if value is None else value, time_ms)
