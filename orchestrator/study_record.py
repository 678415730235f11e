"""What the run of a study says of it, and what of its past a study must not contradict."""

import json
from collections.abc import Mapping, Sequence

from orchestrator import vocabulary
from orchestrator.catalog import StudyError
from orchestrator.expansion import expand
from orchestrator.planning import Plan
from orchestrator.record import RecordedCell
from orchestrator.sharing import Start
from orchestrator.study import StudySpec
from trainers.errors import Fault


def parent_tags(study: StudySpec) -> dict[str, str]:
    """What the run of a study says: how its matrix is laid out, and what makes it this variant."""
    rows = next(axis for axis in study.axes if axis.name == study.matrix.rows)
    return {
        "mlflow.note.content": study.question,
        "mlflow.source.name": f"bnn-orchestrate sweep {study.name}",
        vocabulary.ROWS_AXIS: study.matrix.rows,
        vocabulary.ROWS: json.dumps(list(rows.points)),
        vocabulary.OVER_AXIS: study.matrix.over or "",
        vocabulary.ALSO: json.dumps(list(study.matrix.also)),
        vocabulary.METRIC_NAME: study.metric.name,
        vocabulary.METRIC_BETTER: study.metric.better,
        vocabulary.EPOCH_SCALE: study.epoch_scale,
        vocabulary.GIVEN: json.dumps(study.given.to_mapping()) if study.given else "",
        vocabulary.OVERRIDES: json.dumps(list(study.overrides)),
        vocabulary.AS_PUBLISHED: "true" if study.as_published else "",
    }


def plan_content(todo: Plan) -> dict[str, object]:
    """The plan as plain values."""
    names = {cell.id: cell.name for cell in todo.cells}
    return {
        "study": todo.study.name,
        "overrides": list(todo.study.overrides),
        "as_published": todo.study.as_published,
        "epoch_scale": todo.study.epoch_scale,
        "num_cells": todo.num_cells,
        "num_todo": todo.num_todo,
        "epochs": todo.epochs,
        "epochs_alone": todo.epochs_alone,
        "epochs_todo": todo.epochs_todo,
        "stage_trainings": todo.stage_trainings,
        "stage_trainings_alone": todo.stage_trainings_alone,
        "shared": str(todo.amount_todo) if todo.shares else "nothing",
        "cells": [
            {
                "labels": dict(cell.labels),
                "trial": cell.id,
                "train": cell.train.to_mapping(),
                **_inherits(todo.starts.get(cell.id), names),
            }
            for cell in todo.cells
        ],
    }


def _inherits(start: Start | None, names: Mapping[str, str]) -> dict[str, object]:
    """With whose epochs a cell begins, and after how many it leaves its state for others."""
    if start is None or not (start.begins or start.leaves):
        return {}
    carrier = names[start.carrier] if start.carrier else "an earlier sweep"
    inherits = {"inherits": {"epochs": start.begins, "from": carrier}} if start.begins else {}
    return {**inherits, "leaves": list(start.leaves)}


def refuse_changed_labels(study: StudySpec, recorded: Sequence[RecordedCell]) -> None:
    """Refuses a study that means other trials by labels under which some are recorded.

    Raises:
        StudyError: Naming the labels and both trials.
    """
    if study.is_searched:
        return
    held = {frozenset(cell.labels.items()): cell.trial for cell in recorded}
    faults = [
        Fault(
            f"axes at {cell.name}",
            f"now means trial {cell.id}, but the store has trial "
            f"{held[frozenset(cell.labels.items())]} under this label",
            "give the new value another label, or keep it apart with another --home",
        )
        for cell in expand(study)
        if held.get(frozenset(cell.labels.items()), cell.id) != cell.id
    ]
    if faults:
        raise StudyError(study.name, *faults)
