"""`sync`: what waits in the journal goes to MLflow, once, and nothing is lost if it cannot."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery_lock import held
from orchestrator.record.describe import describe
from orchestrator.record.entries import CellDescription, Point
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

Cli = Callable[..., Any]
POINTS = [Point("train/loss", step, 1 / (1 + step), 1000 + step) for step in range(3)]


@pytest.fixture
def waiting(home: Home, study: StudySpec, cells: tuple[Cell, ...]) -> CellDescription:
    """A finished cell that MLflow has heard nothing of."""
    description = describe(cells[0], study, tags={})
    journal = Journal(home.journal)
    journal.begin_study(study_record(study))
    journal.begin(description)
    journal.append(description.cell, POINTS)
    journal.end(description.cell, State.FINISHED, {})
    journal.close()
    return description


def test_what_waits_is_delivered_once(
    cli: Cli, home: Home, study: StudySpec, waiting: CellDescription
) -> None:
    answer = cli("sync", "--home", str(home.root))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"3 points of 1 cells delivered to {home.tracking_uri}\n"
    store = Store(home)
    run_id = store.find_cell(waiting, store.open_study(study_record(study)))
    assert run_id is not None
    assert store.points_of(run_id) == POINTS
    assert store.tags_of(run_id)[vocabulary.STATE] == State.FINISHED
    again = cli("sync", "--home", str(home.root))
    assert again.code == 0
    assert again.out.startswith("nothing waits")
    assert store.points_of(run_id) == POINTS


def test_without_a_journal_nothing_waits_and_nothing_is_made(cli: Cli, home: Home) -> None:
    before = sorted(home.root.iterdir())
    answer = cli("sync", "--home", str(home.root))
    assert answer.code == 0
    assert "there is no journal" in answer.out
    assert sorted(home.root.iterdir()) == before


def test_a_store_that_is_away_leaves_all_in_the_journal(
    cli: Cli, home: Home, waiting: CellDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise ConnectionError("nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "log_points", away)
        answer = cli("sync", "--home", str(home.root))
    assert answer.code == 1
    assert "3 points still wait" in answer.err
    assert "nobody answers" in answer.err
    assert cli("sync", "--home", str(home.root)).out.startswith("3 points of 1 cells delivered")


@pytest.mark.usefixtures("waiting")
def test_a_home_that_a_sweep_uses_is_left_alone(cli: Cli, home: Home) -> None:
    with held(home.journal):
        answer = cli("sync", "--home", str(home.root))
    assert answer.code == 2
    assert "is in use by another bnn-orchestrate" in answer.err
    assert "launched" not in answer.err


@pytest.mark.usefixtures("waiting")
def test_what_mlflow_has_lost_is_delivered_anew(cli: Cli, home: Home) -> None:
    assert cli("sync", "--home", str(home.root)).code == 0
    assert home.database is not None
    # The file itself this process holds open.
    with closing(sqlite3.connect(home.database)) as database, database:
        for table in ("tags", "params", "metrics", "latest_metrics", "runs", "experiment_tags"):
            database.execute(f"DELETE FROM {table}")
        database.execute("DELETE FROM experiments WHERE name = 'tiny'")
    answer = cli("sync", "--home", str(home.root))
    assert answer.out == f"3 points of 1 cells delivered to {home.tracking_uri}\n", answer.err


def test_the_record_of_a_study_is_delivered_without_any_cell(
    cli: Cli, home: Home, study: StudySpec
) -> None:
    record = study_record(study, state=State.FINISHED)
    with closing(Journal(home.journal)) as journal:
        journal.begin_study(record)
    answer = cli("sync", "--home", str(home.root))
    assert (answer.code, answer.err) == (0, "")
    store = Store(home)
    assert store.tags_of(store.open_study(record).run)[vocabulary.STATE] == State.FINISHED
    assert cli("sync", "--home", str(home.root)).out.startswith("nothing waits")
