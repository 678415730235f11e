"""Finds results that MLflow confirmed once and no longer has, and has them delivered again.

Somebody may have changed the tags of runs in MLflow's pages, or put an older copy of MLflow's
database in its place. The journal still knows what the runs said.
"""

import logging
import math
from collections.abc import Sequence

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import PARENT_RUN, SHORTEST_CUT, RecordedCell, labels_of
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.entries import Entry
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store
from orchestrator.vocabulary import State

log = logging.getLogger(__name__)

_NOT_SET = (vocabulary.FAILURE_ARTIFACT, vocabulary.UPLOAD, vocabulary.STATE)
"""No tags of a run, or delivered with its points."""
_ENDS = frozenset({vocabulary.WEIGHTS_SHA256, vocabulary.STOPPED_EARLY})
"""With which a finished cell ends."""
LARGEST = 1e308
"""MLflow's databases hold no infinity, but the largest number."""


def mend_all(journal: Journal, store: Store) -> list[str]:
    """Does the same as `mend` for all studies in a journal.

    Args:
        journal: The journal with the delivered results.
        store: The store; it must answer.

    Returns:
        The keys of the cells.
    """
    mended: list[str] = []
    for name in journal.delivered_studies():
        try:
            experiment = store.find_study(name)
        except StoreError:
            # A user deleted it in MLflow and can restore it there.
            continue
        if experiment is not None:
            for record in journal.variants(name):
                there = store.cells(experiment, record.variant)
                parent = store.reader.run_of(experiment, record.variant)
                entries = journal.entries(record.key)
                mended += mend(journal, store, entries, there, parent=parent)
    return mended


def mend(
    journal: Journal,
    store: Store,
    entries: Sequence[Entry],
    there: Sequence[RecordedCell],
    *,
    parent: str | None,
) -> list[str]:
    """Marks cells for redelivery whose runs no longer say what the journal knows.

    A run that only went to another place in MLflow's pages is put back under its study. A run that
    was deleted stays so: its cell is trained again. A run that MLflow never heard of is made anew.

    Args:
        journal: The journal.
        store: The store; it must answer.
        entries: The journal's cells of a variant, from before `there` was read.
        there: What the store has of that variant.
        parent: The run of that variant; None: unknown, so that each cell stays in its place.

    Returns:
        The keys of the cells.
    """
    runs = {cell.run_id: cell for cell in there}
    complete = {cell.key for cell in there if cell.is_complete}
    mended = []
    for entry in entries:
        cell = entry.description.cell
        if entry.run_id is None or entry.state_sent != entry.state:
            continue
        run = runs.get(entry.run_id)
        if _says(run, entry, journal) if run else cell in complete:
            if run and parent and run.parent != parent:
                log.warning("the run of %s was moved; it is put back under its study", cell)
                store.set_tags(run.run_id, {PARENT_RUN: parent})
                mended.append(cell)
            continue
        if store.is_unknown(entry.run_id):
            log.warning("MLflow has lost the run of %s; the journal delivers it again", cell)
            journal.forget_run(cell)
        elif store.is_gone(entry.run_id):
            continue
        else:
            log.warning("the run of %s was changed; the journal delivers it again", cell)
            known = {**entry.description.tags, **entry.tags}
            tags = {key: value for key, value in known.items() if key not in _NOT_SET}
            store.set_tags(entry.run_id, tags | ({PARENT_RUN: parent} if parent else {}))
            journal.resend(cell)
        mended.append(cell)
    return mended


def _says(run: RecordedCell, entry: Entry, journal: Journal) -> bool:
    """Whether a run says what the journal knows of its cell; it may know more."""
    description = entry.description
    labels = labels_of(description.tags)
    train = description.tags.get(vocabulary.TRAIN, "")
    # MLflow cuts long tags.
    is_short = max(len(description.cell), len(train)) < SHORTEST_CUT
    said = (run.key, run.labels, run.train)
    if is_short and said != (description.cell, labels, train):
        return False
    # Points are delivered before that is said.
    if run.is_complete:
        return True
    if run.state != entry.state:
        return False
    if entry.state == State.FINISHED:
        # It may have none, if an earlier version recorded it.
        return not _ENDS.intersection(entry.tags)
    return _has_points(run, entry, journal)


def _has_points(run: RecordedCell, entry: Entry, journal: Journal) -> bool:
    sent = journal.last_sent(entry.description.cell)
    return all(_is_like(run.metrics.get(key, math.inf), p.value) for key, p in sent.items())


def _is_like(one: float, other: float) -> bool:
    both_large = abs(one) > LARGEST and abs(other) > LARGEST
    return one == other or (math.isnan(one) and math.isnan(other)) or both_large
