"""What a person changes in MLflow comes back from the journal; what was deleted stays so."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery import Delivery
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.record.known import forget_lost
from orchestrator.record.mending import mend_all
from orchestrator.record.store import Store
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow


@pytest.fixture
def key(study: StudySpec, cells: Sequence[Cell], journal: Journal, store: Store) -> str:
    """A cell that is finished and delivered."""
    journal.begin_study(study_record(study))
    return _trained(study, cells[0], journal, store)


def _trained(
    study: StudySpec, cell: Cell, journal: Journal, store: Store, *, state: State = State.FINISHED
) -> str:
    journal.begin(describe(cell, study, tags={vocabulary.CODE: "c0de"}))
    key = cell_key(study, cell)
    journal.append(key, [Point("loss", step, 1 / (step + 1), 1000 + step) for step in range(3)])
    is_over = state == State.FINISHED
    journal.end(key, state, {vocabulary.WEIGHTS_SHA256: "abc"} if is_over else {})
    Delivery(journal, store).deliver()
    return key


def _run(journal: Journal, key: str) -> str:
    entry = journal.entry(key)
    assert entry is not None
    assert entry.run_id is not None
    return entry.run_id


def _delete(key: str) -> Callable[[Store, str], None]:
    return lambda store, run: store.client.delete_tag(run, key)


def _set(key: str, value: str) -> Callable[[Store, str], None]:
    return lambda store, run: store.client.set_tag(run, key, value)


def _everything(store: Store, run: str) -> None:
    for key in store.tags_of(run):
        if key.startswith("bnn.") or key == "mlflow.parentRunId":
            store.client.delete_tag(run, key)


CHANGES: dict[str, Callable[[Store, str], None]] = {
    **{
        f"no {key}": _delete(key)
        for key in (
            vocabulary.KIND,
            vocabulary.CELL_KEY,
            vocabulary.VARIANT,
            vocabulary.TRIAL,
            vocabulary.STATE,
            vocabulary.LABEL.format(axis="order"),
            vocabulary.WEIGHTS_SHA256,
        )
    },
    "another cell": _set(vocabulary.CELL_KEY, "tiny/v/order=forward/abc"),
    "another variant": _set(vocabulary.VARIANT, "0123456789abcdef"),
    "another trial": _set(vocabulary.TRIAL, "0123456789abcdef"),
    "another label": _set(vocabulary.LABEL.format(axis="order"), "made up"),
    "failed": _set(vocabulary.STATE, "failed"),
    "a state made up": _set(vocabulary.STATE, "perfect"),
    "nothing of ours": _everything,
    "another place": _set("mlflow.parentRunId", "abc"),
    "no place": _delete("mlflow.parentRunId"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tags_that_somebody_changed_come_back(
    change: str, key: str, study: StudySpec, journal: Journal, store: Store
) -> None:
    run, experiment = _run(journal, key), store.find_study("tiny")
    assert experiment is not None
    before = store.tags_of(run)
    CHANGES[change](store, run)
    assert mend_all(journal, store) == [key]
    Delivery(journal, store).deliver()
    assert store.tags_of(run) == before
    [cell] = store.cells(experiment, study.variant_id)
    assert (cell.run_id, cell.state) == (run, State.FINISHED)
    assert len(store.points_of(run)) == 3
    assert mend_all(journal, store) == []


@pytest.mark.parametrize("status", ["FAILED", "FINISHED", "KILLED"])
def test_a_run_that_is_renamed_or_ended_by_hand_is_the_same_cell(
    status: str, key: str, study: StudySpec, journal: Journal, store: Store
) -> None:
    run, experiment = _run(journal, key), store.find_study("tiny")
    assert experiment is not None
    store.client.update_run(run, status=status, name="my best one")
    store.client.set_tag(run, "mine", "a tag of a person")
    store.client.create_run(experiment, run_name="another one of mine")
    store.client.create_run(experiment, tags={vocabulary.TRIAL: store.tags_of(run)["bnn.trial"]})
    assert mend_all(journal, store) == []
    [cell] = store.cells(experiment, study.variant_id)
    assert (cell.run_id, cell.state) == (run, State.FINISHED)


def test_a_run_that_was_deleted_stays_so(key: str, journal: Journal, store: Store) -> None:
    store.client.delete_run(_run(journal, key))
    assert mend_all(journal, store) == []
    assert journal.undelivered() == []


def _kept(home: Home) -> Any:
    """Keeps a copy of the database; putting it back is what it returns."""
    assert home.database is not None
    database, copy = home.database, home.root / "backup.db"
    with closing(sqlite3.connect(database)) as read, closing(sqlite3.connect(copy)) as written:
        read.backup(written)

    def put_back() -> Store:
        for left in home.root.glob("mlflow.db-*"):
            left.unlink()
        # Another place, because this process has the former file open by its name.
        now = home.root.rename(home.root.with_name("restored"))
        (now / "mlflow.db").unlink()
        shutil.copy(now / "backup.db", now / "mlflow.db")
        return Store(Home.at(now))

    return put_back


@pytest.mark.parametrize("state", [State.FINISHED, State.FAILED, State.INTERRUPTED])
def test_an_older_database_gets_what_it_lacks(
    state: State,
    key: str,
    study: StudySpec,
    cells: Sequence[Cell],
    journal: Journal,
    store: Store,
    home: Home,
) -> None:
    begun = cell_key(study, cells[1])
    journal.begin(describe(cells[1], study, tags={}))
    journal.append(begun, [Point("loss", 0, 1.0, 1000)])
    Delivery(journal, store).deliver()
    put_back = _kept(home)
    _trained(study, cells[1], journal, store, state=state)
    later = _trained(study, cells[2], journal, store)
    older = put_back()
    journal.close()
    anew = Journal(older.home.journal)
    assert sorted(mend_all(anew, older)) == sorted([begun, later])
    Delivery(anew, older).deliver()
    experiment = older.find_study("tiny")
    assert experiment is not None
    found = {cell.key: cell for cell in older.cells(experiment, study.variant_id)}
    assert {cell: found[cell].state for cell in found} == {
        key: State.FINISHED,
        begun: state,
        later: State.FINISHED,
    }
    for cell in found:
        assert [point.step for point in older.points_of(found[cell].run_id)] == [0, 1, 2]
    assert mend_all(anew, older) == []
    anew.close()


def test_an_experiment_without_name_and_tag_is_known_by_its_runs(
    key: str, study: StudySpec, journal: Journal, store: Store
) -> None:
    experiment = store.find_study("tiny")
    assert experiment is not None
    store.client.rename_experiment(experiment, "my experiment")
    assert store.find_study("tiny") == experiment
    store.client.delete_experiment_tag(experiment, vocabulary.STUDY)
    assert store.find_study("tiny") is None
    assert forget_lost(journal, store) == []
    assert store.find_study("tiny") == experiment
    assert mend_all(journal, store) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_trial_that_somebody_changed_comes_back(
    text: str, key: str, study: StudySpec, journal: Journal, store: Store
) -> None:
    run, experiment = _run(journal, key), store.find_study("tiny")
    assert experiment is not None
    before = store.tags_of(run)
    store.client.set_tag(run, vocabulary.TRAIN, text)
    [cell] = store.cells(experiment, study.variant_id)
    assert cell.trained == {}
    assert mend_all(journal, store) == [key]
    assert store.tags_of(run)[vocabulary.TRAIN] == before[vocabulary.TRAIN]


def test_cells_follow_their_study_to_a_new_run(
    key: str, study: StudySpec, journal: Journal, store: Store
) -> None:
    before = store.open_study(study_record(study))
    store.client.delete_run(before.run)
    # There is nothing yet under which they could be put.
    assert mend_all(journal, store) == []
    after = store.open_study(study_record(study))
    assert mend_all(journal, store) == [key]
    assert store.tags_of(_run(journal, key))["mlflow.parentRunId"] == after.run
    assert mend_all(journal, store) == []
