"""The recorded results of a study: from MLflow, and from the journal if MLflow lacks them."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from orchestrator import vocabulary
from orchestrator.fingerprint.code import Code
from orchestrator.masking import masked
from orchestrator.mlflow_reader.cells import OBJECTIVE, RecordedCell, recorded_cell
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.delivery import Delivery
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.describe import describe
from orchestrator.record.entries import Entry
from orchestrator.record.journal import Journal
from orchestrator.record.mending import mend
from orchestrator.record.store import Store
from orchestrator.study.cells import Cell
from orchestrator.vocabulary import State

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec

log = logging.getLogger(__name__)

MOST_ASKED = 10
"""Runs of a study by which its experiment is looked for."""
Counts = Callable[[RecordedCell], bool]
_COPIED = (
    vocabulary.WEIGHTS_SHA256,
    vocabulary.DATA_SHA256,
    vocabulary.GIT_COMMIT,
    vocabulary.CODE,
    vocabulary.STOPPED_EARLY,
    vocabulary.INHERITED,
    vocabulary.BEGAN_FROM,
)


class Recorded:
    """The recorded cells of a study, and of its trials in other studies, when a sweep begins.

    Args:
        study: The study.
        journal: This home's journal.
        store: MLflow; None: it does not answer.
        code: The current code; results of other code from other studies do not count.
        accepts_code: Count them anyway for trials that the current code has not finished.
        has_our_data: Whether a cell was trained with the data of now; others from other studies
            do not count.
    """

    def __init__(
        self,
        study: "StudySpec",
        journal: Journal,
        store: Store | None,
        *,
        code: Code,
        accepts_code: bool = False,
        has_our_data: Counts = lambda cell: True,
    ) -> None:
        self.study, self.journal, self.store = study, journal, store
        self.code, self.accepts_code, self.has_our_data = code, accepts_code, has_our_data
        # Reads the journal before MLflow, so that no cell delivered in between is missed.
        entries = journal.entries(study.key)
        self.variants = journal.variants(study.name)
        self.is_closed = False
        """Whether MLflow says that the study is finished."""
        self.cells = tuple(self._merged(entries).values())
        mine = {cell.trial: cell for cell in self.cells if cell.state == State.FINISHED}
        self.finished: Mapping[str, RecordedCell] = mine
        self._old: set[str] = set()
        if not study.is_searched:
            unknown = {cell.id for cell in study.trials} - mine.keys()
            self.finished = {**self._elsewhere(unknown, self._is_ours), **mine}
            if accepts_code:
                others = self._elsewhere(unknown - self.finished.keys(), has_our_data)
                self.finished = {**others, **self.finished}

    @property
    def everywhere(self) -> tuple[RecordedCell, ...]:
        """The cells of the study, and finished ones of its trials in other studies."""
        return (*self.finished.values(), *self.cells)

    def finished_since(self, trial: str) -> Entry | None:
        """The cell in which another sweep has finished a trial since then; None: there is none."""
        entries = self._entries(trial, self.has_our_data if self.accepts_code else self._is_ours)
        return next((e for e in entries if e.description.cell not in self._old), None)

    def begun(self) -> list[RecordedCell]:
        """Cells that have trained epochs of the study's trials, in any study of this home.

        Their checkpoints may be here, which belong to a trial and not to a study.
        """
        mine = [cell for cell in self.cells if cell.state == State.FINISHED or cell.metrics]
        found = {cell.key: cell for cell in mine}
        for trial in self.study.trials:
            for entry in self.journal.begun(trial.id):
                found.setdefault(entry.description.cell, _cell_of(entry, self.journal))
        return list(found.values())

    def copy_missing(self, tags: Mapping[str, str]) -> int:
        """Copies results to cells whose trial is finished under another label or study.

        Args:
            tags: Tags of all cells of the sweep.

        Returns:
            The number of cells that received results.
        """
        from orchestrator.study.spec import cell_key

        if self.study.is_searched:
            return 0
        have = {cell.key for cell in self.cells if cell.state == State.FINISHED}
        num_copied = 0
        for cell in self.study.trials:
            key = cell_key(self.study, cell)
            entry = self.journal.entry(key)
            is_new = entry is not None and entry.state == State.FINISHED
            if key in have or (is_new and key not in self._old):
                continue
            since = self.finished_since(cell.id)
            source = _cell_of(since, self.journal) if since else self.finished.get(cell.id)
            if source is not None:
                self._copy(cell, source, tags)
                num_copied += 1
        return num_copied

    def _merged(self, entries: list[Entry]) -> dict[str, RecordedCell]:
        waiting = [entry for entry in entries if self.store is None or not _is_delivered(entry)]
        cells = {entry.description.cell: _cell_of(entry, self.journal) for entry in waiting}
        if self.store is None:
            return cells
        found = self.store.find_study(self.study.name)
        if found is None:
            return cells
        variants = self.store.variants(found)
        self.variants += variants
        same = [one for one in variants if one.variant == self.study.variant_id]
        self.is_closed = any(one.state == State.FINISHED for one in same)
        there = self.store.cells(found, self.study.variant_id)
        parent = self.store.reader.run_of(found, self.study.variant_id)
        mended = set(mend(self.journal, self.store, entries, there, parent=parent))
        for entry in entries:
            if entry.description.cell in mended:
                cells[entry.description.cell] = _cell_of(entry, self.journal)
        for cell in there:
            if cell.key in mended:
                continue
            if cell.key not in cells or cell.state == State.FINISHED:
                cells[cell.key] = cell
        return cells

    def _elsewhere(self, trials: set[str], counts: Counts) -> dict[str, RecordedCell]:
        """Trial id to a finished cell of that trial that counts, in any study."""
        found: dict[str, RecordedCell] = {}
        for trial in sorted(trials):
            entries = self._entries(trial, counts)
            self._old |= {entry.description.cell for entry in entries}
            fit = [e for e in entries if self.store is None or not _is_delivered(e)]
            if fit:
                found[trial] = _cell_of(fit[0], self.journal)
        if self.store is not None:
            found |= self.store.finished_elsewhere(trials - found.keys(), counts=counts)
        return found

    def _entries(self, trial: str, counts: Counts) -> list[Entry]:
        """Cells in the journal that trained a trial to its end, and that count."""
        entries = self.journal.finished(trial)
        return [entry for entry in entries if counts(_cell_of(entry, self.journal))]

    def _is_ours(self, cell: RecordedCell) -> bool:
        return self.code.is_same(cell.code, cell.trained) and self.has_our_data(cell)

    def _copy(self, cell: Cell, source: RecordedCell, tags: Mapping[str, str]) -> None:
        entry = self.journal.entry(source.key)
        if entry is not None and entry.state == State.FINISHED:
            points = self.journal.points(source.key)
            known = {**entry.description.tags, **entry.tags}
        else:
            assert self.store is not None
            points, known = self.store.points_of(source.run_id), self.store.tags_of(source.run_id)
        description = describe(cell, self.study, tags=tags)
        self.journal.begin(description)
        self.journal.append(description.cell, points)
        copied = {key: known[key] for key in _COPIED if key in known}
        copied[vocabulary.COPIED_FROM] = source.run_id or source.key
        self.journal.end(description.cell, State.FINISHED, copied)
        log.info("%s was trained before, as %s", cell.name, copied[vocabulary.COPIED_FROM])


def forget_lost(journal: Journal, store: Store) -> list[str]:
    """Makes the journal redeliver the studies that MLflow has lost, for example with its database.

    Args:
        journal: The journal with the delivered results.
        store: The store; it must answer.

    Returns:
        The names of the studies.
    """
    lost = []
    for study in journal.delivered_studies():
        try:
            is_lost = store.find_study(study) is None and not _marked_again(journal, store, study)
        except StoreError:
            # A user deleted it in MLflow and can restore it there.
            is_lost = False
        if is_lost:
            log.warning("MLflow has lost %s; the journal delivers it again", study)
            lost.append(study)
            journal.forget_study(study)
    return lost


def deliver_what_waits(delivery: Delivery) -> None:
    """Delivers results that MLflow lacks or has lost first; nothing else may remain to do."""
    try:
        forget_lost(delivery.journal, delivery.store)
        delivery.deliver()
    except InUseError:
        log.info("another process delivers the journal's results")
    except Exception as error:
        log.warning("results of an earlier sweep cannot be delivered: %s", masked(str(error)))


def _marked_again(journal: Journal, store: Store, study: str) -> bool:
    """Gives the study's experiment its tag again, if it has runs that the journal knows."""
    records = journal.variants(study)
    runs = [entry.run_id for record in records for entry in journal.entries(record.key)]
    # If the database is another one, it knows none of them.
    for run_id in [run for run in runs if run is not None][:MOST_ASKED]:
        if (experiment := store.experiment_of(run_id)) is not None:
            store.set_experiment_tag(experiment, vocabulary.STUDY, study)
            return True
    return False


def _cell_of(entry: Entry, journal: Journal) -> RecordedCell:
    """A cell of the journal as a recorded cell, as MLflow would return it."""
    description = entry.description
    objective = journal.value(description.cell, OBJECTIVE)
    return recorded_cell(
        {**description.tags, **entry.tags, vocabulary.STATE: entry.state},
        run_id=entry.run_id or "",
        name=description.name,
        params=description.params,
        metrics={} if objective is None else {OBJECTIVE: objective},
    )


def _is_delivered(entry: Entry) -> bool:
    return entry.state_sent == entry.state
