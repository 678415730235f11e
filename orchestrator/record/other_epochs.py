"""Says which cells are finished with another number of epochs: a sweep trains them anew."""

import json
from collections.abc import Iterable
from typing import Any

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import labels_of
from orchestrator.planning.planning import Plan
from orchestrator.record.entries import StudyRecord
from orchestrator.record.known import Recorded
from orchestrator.study.cells import study_key
from orchestrator.vocabulary import State

_EPOCHS = "epochs"


def begun_anew(todo: Plan, recorded: Recorded) -> str:
    """What to tell a user who changed the epochs of finished cells; empty: nothing.

    A trial of 60 epochs is another one than that of 30: it begins at its first epoch.

    Args:
        todo: The plan of the study.
        recorded: The results known when the sweep began.
    """
    study = todo.study
    new = study.common.get(_EPOCHS)
    finished: dict[int, int] = {}
    for record in _like(todo, recorded.variants):
        labels = _finished_labels(record, recorded)
        if not study.is_searched:
            labels &= {_place(cell.labels.items()) for cell in todo.todo}
        if labels:
            old = _base(record)[_EPOCHS]
            finished[old] = max(finished.get(old, 0), len(labels))
    if not finished:
        return ""
    before = " and ".join(f"{num} of {old} epochs" for old, num in sorted(finished.items()))
    cost = f"{todo.epochs_todo:,} epochs to train"
    return f"cells finished: {before}; of {new} epochs, they begin anew at the first: {cost}"


def _like(todo: Plan, variants: Iterable[StudyRecord]) -> list[StudyRecord]:
    """The variants that differ from the study in the epochs of the base alone."""
    ours = dict(todo.study.common)
    new = ours.pop(_EPOCHS, None)
    scale = todo.study.variant.epoch_scale
    found: dict[str, StudyRecord] = {}
    for record in variants:
        theirs = _base(record)
        old = theirs.pop(_EPOCHS, None)
        is_like = theirs == ours and record.tags.get(vocabulary.EPOCH_SCALE, "") == scale
        if is_like and None not in (old, new) and old != new:
            found[record.variant] = record
    return list(found.values())


def _finished_labels(record: StudyRecord, recorded: Recorded) -> set[frozenset[tuple[str, str]]]:
    """The labels of a variant's finished cells, from the journal and from MLflow."""
    entries = recorded.journal.entries(study_key(record.name, record.variant))
    labels = {
        _place(labels_of(entry.description.tags).items())
        for entry in entries
        if entry.state == State.FINISHED
    }
    experiment = recorded.store.find_study(record.name) if recorded.store else None
    if recorded.store is None or experiment is None:
        return labels
    cells = recorded.store.cells(experiment, record.variant)
    return labels | {_place(c.labels.items()) for c in cells if c.state == State.FINISHED}


def _base(record: StudyRecord) -> dict[str, Any]:
    """The base of a variant as plain values; empty if it was not recorded, or was cut."""
    try:
        base: dict[str, Any] = json.loads(record.tags.get(vocabulary.BASE, "{}"))
    except ValueError:
        return {}
    return base


def _place(labels: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset(labels)
