"""Makes a study's record for MLflow, and refuses studies that contradict earlier results."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Literal

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.planning.planning import Plan
from orchestrator.planning.sharing import Start
from orchestrator.record.describe import flat_params
from orchestrator.record.entries import StudyRecord
from orchestrator.study.axes import Axis
from orchestrator.study.catalog import StudyError
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers.errors import Fault


def study_record(
    study: StudySpec,
    *,
    state: State | Literal[""] = "",
    texts: Mapping[str, str] | None = None,
) -> StudyRecord:
    """The record of a study for its MLflow run.

    Args:
        study: The study.
        state: The sweep's state; empty: unchanged.
        texts: File name to text of the run's artifacts.
    """
    return StudyRecord(
        name=study.name,
        variant=study.variant_id,
        title=study.title,
        question=study.question,
        tags=parent_tags(study),
        texts=texts or {},
        state=state,
    )


def _compared(study: StudySpec, rows: Axis) -> dict[str, str]:
    """Tags of what the rows of the matrix are compared with."""
    shape = study.matrix
    over = next((axis for axis in study.axes if axis.name == shape.over), None)
    planned = {vocabulary.PLANNED: str(len(over.points)) if over else ""}
    if shape.control is None:
        # Written all the same: an earlier sweep may have named one.
        return {vocabulary.CONTROL: "", **planned}
    return {
        vocabulary.CONTROL: shape.control,
        vocabulary.CONTROLS: json.dumps(sorted({shape.control, *rows.controls})),
        vocabulary.MARGIN: "" if shape.margin is None else str(shape.margin),
        **planned,
    }


def parent_tags(study: StudySpec) -> dict[str, str]:
    """Tags of a study's run: the layout of its matrix, and what makes it this variant."""
    rows = next(axis for axis in study.axes if axis.name == study.matrix.rows)
    return {
        "mlflow.note.content": study.question,
        "mlflow.source.name": f"bnn-orchestrate sweep {study.name}",
        vocabulary.ROWS_AXIS: study.matrix.rows,
        vocabulary.ROWS: json.dumps(list(rows.points)),
        vocabulary.OVER_AXIS: study.matrix.over or "",
        vocabulary.SORT: study.matrix.sort,
        vocabulary.ALSO: json.dumps(list(study.matrix.also)),
        **_compared(study, rows),
        vocabulary.METRIC_NAME: study.metric.name,
        vocabulary.METRIC_BETTER: study.metric.better,
        **study.variant.tags,
        vocabulary.AXES: ",".join(axis.name for axis in study.axes),
        vocabulary.BASE: json.dumps(study.common, sort_keys=True),
    }


def plan_content(todo: Plan) -> dict[str, object]:
    """The plan as plain values."""
    names = {cell.id: cell.name for cell in todo.cells}
    return {
        "study": todo.study.name,
        **todo.study.variant.to_mapping(),
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
    """Which cell's epochs a cell starts from, and after which epochs it saves stems."""
    if start is None or not (start.begins or start.leaves):
        return {}
    carrier = names[start.carrier] if start.carrier else "an earlier sweep"
    inherits = {"inherits": {"epochs": start.begins, "from": carrier}} if start.begins else {}
    return {**inherits, "leaves": list(start.leaves)}


def refuse_changed_labels(study: StudySpec, recorded: Sequence[RecordedCell]) -> None:
    """Refuses a study whose labels now mean other trials than the recorded ones.

    Raises:
        StudyError: Names the labels and both trials.
    """
    if study.is_searched:
        return
    held = {frozenset(cell.labels.items()): cell for cell in recorded}
    faults: list[Fault] = []
    for cell in study.trials:
        there = held.get(frozenset(cell.labels.items()))
        if there is None or there.trial == cell.id:
            continue
        ours, theirs = _differences(flat_params(cell), there.params)
        what = f"now means trial {cell.id}{ours}, but the store has trial {there.trial}{theirs}"
        way = f"give the new value another label, or {_APART}"
        faults.append(Fault(f"axes at {cell.name}", f"{what} under this label", way))
    if faults:
        raise StudyError(study.name, *faults)


def refuse_other_values(study: StudySpec, known: Sequence[StudyRecord]) -> None:
    """Refuses a study whose base changed since it was first swept with the same flags.

    Args:
        study: The study.
        known: Its recorded variants.

    Raises:
        StudyError: With the old and the new values.
    """
    if any(record.variant == study.variant_id for record in known):
        return
    ours = parent_tags(study)
    asked = [ours[key] for key in _ASKED]
    like = [record for record in known if [record.tags.get(key, "") for key in _ASKED] == asked]
    if not like:
        return
    theirs = like[-1].tags.get(vocabulary.BASE)
    now, before = _differences(_flat(ours[vocabulary.BASE]), _flat(theirs))
    what = "changed since the first sweep under this name"
    if now:
        what = f"{what}: was{before}, is now{now}"
    raise StudyError(study.name, Fault("base", what, f"restore the values, or {_APART}"))


_ASKED = (vocabulary.AXES, *vocabulary.VARIANT_TAGS)
"""Tags that say which axes and flags a variant has."""
MOST_SHOWN = 4
_APART = "train separate cells: --apart NAME"


def _flat(text: str | None) -> dict[str, str]:
    """The base in a tag as key path to value."""
    flat: dict[str, str] = {}

    def put(path: str, value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                put(f"{path}.{key}" if path else key, item)
        else:
            flat[path] = json.dumps(value)

    # An earlier version let MLflow cut what is long.
    with contextlib.suppress(ValueError):
        put("", json.loads(text or "{}"))
    return flat


def _differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, str]:
    """The differing values of each side: ` (optimizer.lr 0.1)`; empty if they are unknown."""
    keys = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if not theirs or not keys:
        return "", ""

    def listed(side: Mapping[str, str]) -> str:
        values = [f"{key} {side.get(key, 'nothing')}" for key in keys[:MOST_SHOWN]]
        more = [f"{len(keys) - MOST_SHOWN} more"] if len(keys) > MOST_SHOWN else []
        return f" ({', '.join([*values, *more])})"

    return listed(ours), listed(theirs)
