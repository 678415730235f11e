"""What is known of a study before and while it is swept: from MLflow, and from the journal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.fingerprint.code import Code
from orchestrator.home import Home
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery import Delivery
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.record.known import Recorded, forget_lost
from orchestrator.record.store import Store
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow

CODE = "c0de"
ERROR = "selected/validation_error"
INHERITED = "4 epochs from reverse"
Train = Callable[..., str]


@pytest.fixture
def train(journal: Journal) -> Train:
    """Journals a cell as a sweep does; its key."""

    def to_its_end(
        study: StudySpec,
        cell: Cell,
        *,
        state: State = State.FINISHED,
        code: str = CODE,
    ) -> str:
        if journal.study(study_record(study).key) is None:
            journal.begin_study(study_record(study))
        description = describe(cell, study, tags={vocabulary.CODE: code})
        journal.begin(description)
        journal.append(description.cell, [Point(ERROR, 1, 0.25, 1000)])
        tags = {vocabulary.WEIGHTS_SHA256: f"of {cell.id}", vocabulary.INHERITED: INHERITED}
        journal.end(description.cell, state, tags)
        return description.cell

    return to_its_end


@pytest.fixture
def other(study: StudySpec) -> StudySpec:
    """Another study of the same trials."""
    return replace(study, name="other")


class _Code(Code):
    """Code that knows its results by one text."""

    def __init__(self) -> None:
        """It has no sources."""

    def changes(self, origin: str, trial: Mapping[str, Any]) -> tuple[str, ...] | None:
        assert trial["model"]["name"] == "mlp"
        return () if origin == CODE else None


def _known(
    study: StudySpec, journal: Journal, store: Store | None = None, *, accepts_code: bool = False
) -> Recorded:
    return Recorded(study, journal, store, code=_Code(), accepts_code=accepts_code)


def _deliver(journal: Journal, store: Store) -> None:
    Delivery(journal, store).deliver()


def _names(known: Recorded) -> list[str]:
    return sorted(cell.name for cell in known.finished.values())


def test_without_mlflow_the_journal_says_what_is_finished(
    study: StudySpec, cells: Sequence[Cell], journal: Journal, train: Train
) -> None:
    train(study, cells[0])
    train(study, cells[1], state=State.FAILED)
    known = _known(study, journal)
    assert list(known.finished) == [cells[0].id]
    found = known.finished[cells[0].id]
    assert (found.labels, found.objective, found.code) == (cells[0].labels, 0.25, CODE)
    assert [record.key for record in known.variants] == [study_record(study).key]
    assert {cell.state for cell in known.cells} == {
        State.FINISHED,
        State.FAILED,
    }


def test_a_journal_that_was_lost_is_made_up_for_by_mlflow(
    study: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
    home: Home,
) -> None:
    train(study, cells[0])
    _deliver(journal, store)
    journal.close()
    home.journal.unlink()
    anew = Journal(home.journal)
    known = _known(study, anew, store)
    assert list(known.finished) == [cells[0].id]
    assert known.finished[cells[0].id].key == cell_key(study, cells[0])
    anew.close()


def test_what_was_not_delivered_counts_beside_what_mlflow_has(
    study: StudySpec, cells: Sequence[Cell], journal: Journal, store: Store, train: Train
) -> None:
    train(study, cells[0])
    _deliver(journal, store)
    train(study, cells[1])
    assert _names(_known(study, journal, store)) == [cells[0].name, cells[1].name]


def test_a_run_that_was_deleted_in_mlflow_counts_no_more(
    study: StudySpec, cells: Sequence[Cell], journal: Journal, store: Store, train: Train
) -> None:
    for cell in cells[:2]:
        train(study, cell)
    _deliver(journal, store)
    known = _known(study, journal, store)
    store.client.delete_run(known.finished[cells[0].id].run_id)
    assert _names(_known(study, journal, store)) == [cells[1].name]


@pytest.mark.parametrize("is_delivered", [True, False])
def test_trials_that_another_study_finished_are_not_trained_again_but_copied(
    is_delivered: bool,
    study: StudySpec,
    other: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
) -> None:
    theirs = train(other, cells[0])
    if is_delivered:
        _deliver(journal, store)
    known = _known(study, journal, store)
    assert list(known.finished) == [cells[0].id]
    journal.begin_study(study_record(study))
    assert known.copy_missing({}) == 1
    entry = journal.entry(cell_key(study, cells[0]))
    assert entry is not None
    assert entry.state == State.FINISHED
    assert entry.tags[vocabulary.WEIGHTS_SHA256] == f"of {cells[0].id}"
    assert entry.tags[vocabulary.CODE] == CODE
    assert entry.tags[vocabulary.INHERITED] == INHERITED
    source = journal.entry(theirs)
    assert source is not None
    assert entry.tags[vocabulary.COPIED_FROM] == (source.run_id or theirs)
    assert journal.points(entry.description.cell) == journal.points(theirs)


def test_a_result_of_a_lost_journal_is_copied_from_mlflow(
    study: StudySpec,
    other: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
    home: Home,
) -> None:
    train(other, cells[0])
    _deliver(journal, store)
    anew = Journal(home.root / "anew.db")
    known = _known(study, anew, store)
    anew.begin_study(study_record(study))
    assert known.copy_missing({}) == 1
    key = cell_key(study, cells[0])
    assert anew.points(key) == [Point(ERROR, 1, 0.25, 1000)]
    entry = anew.entry(key)
    assert entry is not None
    assert entry.tags[vocabulary.COPIED_FROM] == known.finished[cells[0].id].run_id
    anew.close()


def test_results_of_other_code_are_no_results_for_another_study(
    study: StudySpec,
    other: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
) -> None:
    train(other, cells[0], code="0ther")
    assert not _known(study, journal).finished
    _deliver(journal, store)
    known = _known(study, journal, store)
    assert not known.finished
    assert known.copy_missing({}) == 0


@pytest.mark.parametrize("is_delivered", [True, False])
def test_results_of_other_code_count_where_they_are_accepted_and_there_are_no_own(
    is_delivered: bool,
    study: StudySpec,
    other: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
) -> None:
    train(other, cells[0], code="0ther")
    train(other, cells[1], code="0ther")
    train(replace(study, name="third"), cells[1])
    if is_delivered:
        _deliver(journal, store)
    known = _known(study, journal, store, accepts_code=True)
    found = {trial: cell.code for trial, cell in known.finished.items()}
    assert found == {cells[0].id: "0ther", cells[1].id: CODE}
    journal.begin_study(study_record(study))
    assert known.copy_missing({}) == 2
    entry = journal.entry(cell_key(study, cells[0]))
    assert entry is not None
    assert entry.tags[vocabulary.CODE] == "0ther"
    # A copy still says who trained it.
    [copied] = [cell for cell in _known(study, journal).cells if cell.trial == cells[0].id]
    assert copied.code == "0ther"


def test_what_another_sweep_finishes_meanwhile_is_seen_and_what_was_there_before_is_not(
    study: StudySpec,
    other: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
) -> None:
    gone = train(other, cells[0])
    _deliver(journal, store)
    entry = journal.entry(gone)
    assert entry is not None
    assert entry.run_id is not None
    # Deleted by hand: to be trained again, though the journal knows that it was finished once.
    store.client.delete_run(entry.run_id)
    known = _known(study, journal, store)
    assert known.finished_since(cells[0].id) is None
    assert known.finished_since(cells[1].id) is None
    key = train(other, cells[1])
    since = known.finished_since(cells[1].id)
    assert since is not None
    assert since.description.cell == key
    journal.begin_study(study_record(study))
    assert known.copy_missing({}) == 1


def test_what_this_sweep_trained_itself_is_not_copied(
    study: StudySpec, cells: Sequence[Cell], journal: Journal, train: Train
) -> None:
    known = _known(study, journal)
    train(study, cells[0])
    assert known.copy_missing({}) == 0
    entry = journal.entry(cell_key(study, cells[0]))
    assert entry is not None
    assert vocabulary.COPIED_FROM not in entry.tags


def test_a_search_copies_nothing(
    make_search: Callable[..., StudySpec], journal: Journal, store: Store
) -> None:
    assert _known(make_search(), journal, store).copy_missing({}) == 0


def test_what_mlflow_has_lost_is_delivered_anew_of_every_study(
    study: StudySpec,
    other: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    train: Train,
    home: Home,
) -> None:
    keys = [train(study, cells[0]), train(other, cells[1])]
    _deliver(journal, store)
    assert forget_lost(journal, store) == []
    anew = Store(Home(home.root, f"sqlite:///{home.root / 'anew.db'}"))
    assert forget_lost(journal, anew) == ["tiny", "other"]
    _deliver(journal, anew)
    assert forget_lost(journal, anew) == []
    for name, key in zip(("tiny", "other"), keys, strict=True):
        experiment = anew.find_study(name)
        assert experiment is not None
        [cell] = anew.cells(experiment, study.variant_id)
        assert (cell.key, cell.objective) == (key, 0.25)


def test_a_study_that_was_deleted_in_mlflow_is_not_made_anew(
    study: StudySpec, cells: Sequence[Cell], journal: Journal, store: Store, train: Train
) -> None:
    train(study, cells[0])
    _deliver(journal, store)
    store.client.delete_experiment(store.find_study("tiny"))
    assert forget_lost(journal, store) == []
    assert journal.undelivered() == []


def test_results_of_other_data_are_not_copied(
    study: StudySpec, other: StudySpec, journal: Journal, train: Train
) -> None:
    for cell in study.trials:
        train(study, cell)
    known = Recorded(other, journal, None, code=_Code(), has_our_data=lambda cell: False)
    assert known.finished == {}
    assert known.copy_missing({}) == 0
    accepting = Recorded(
        other, journal, None, code=_Code(), accepts_code=True, has_our_data=lambda cell: False
    )
    assert accepting.finished == {}


def test_what_has_trained_epochs_of_its_trials_is_known_from_any_study(
    study: StudySpec, other: StudySpec, journal: Journal, train: Train
) -> None:
    first, second, *_ = study.trials
    finished = train(other, first)
    interrupted = train(study, second, state=State.INTERRUPTED)
    # Failed before its first epoch.
    journal.begin(describe(study.trials[2], study, tags={}))
    assert {cell.key for cell in _known(study, journal).begun()} == {finished, interrupted}
