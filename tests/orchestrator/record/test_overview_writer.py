"""The overview of all cells in MLflow: written while a sweep goes on, and never in its way."""

import logging
from typing import Any

import pytest

from orchestrator.home import Home
from orchestrator.mlflow_reader.recorded_overview import written_overview
from orchestrator.record.board import Board, board_of
from orchestrator.record.conflicts import study_record
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.record.overview_writer import (
    EVERY_S,
    REMOTE_EVERY_S,
    SHARE,
    OverviewWriter,
    refresh_overviews,
)
from orchestrator.record.store import Store, StudyIds
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow


@pytest.fixture
def board(study: StudySpec) -> Board:
    return board_of(study, [], holder_of=lambda trial: None)


@pytest.fixture
def writer(board: Board, journal: Journal, home: Home, study: StudySpec, clock: Any) -> Any:
    return OverviewWriter(board, journal, home, study_record(study), clock=clock)


def _states(store: Store, ids: StudyIds) -> list[str] | None:
    overview = written_overview(store.reader, ids.run)
    return None if overview is None else list(overview.state)


def test_it_lies_on_the_run_of_the_study_once_that_is_there(
    writer: OverviewWriter, store: Store, study: StudySpec, clock: Any
) -> None:
    writer.renew()
    ids = store.open_study(study_record(study))
    assert _states(store, ids) is None
    clock.now += 1000
    writer.renew()
    assert _states(store, ids) == ["waiting"] * 8


def test_it_is_written_again_if_something_has_changed(
    writer: OverviewWriter, board: Board, store: Store, ids: StudyIds, clock: Any, study: StudySpec
) -> None:
    writer.renew()
    first = written_overview(store.reader, ids.run)
    clock.now += 1000
    writer.renew()
    assert written_overview(store.reader, ids.run) == first
    cell = study.trials[0]
    board.begin(cell_key(study, cell), labels=cell.labels, epochs=2)
    clock.now += 1000
    writer.renew()
    assert _states(store, ids) == ["running", *["waiting"] * 7]


def test_what_costs_much_is_done_seldom(
    writer: OverviewWriter, ids: StudyIds, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = iter([0.0, 3.0, 3.0, 3.0])
    monkeypatch.setattr("time.thread_time", lambda: next(costs))
    writer.renew()
    clock.now += 3 / SHARE - 1
    writer.renew()
    clock.now += 2
    writer.renew()
    assert writer.cost_s == 3


def test_a_server_is_written_to_less_often(
    board: Board, journal: Journal, home: Home, study: StudySpec, writer: OverviewWriter
) -> None:
    there = Home.at(home.root, "http://127.0.0.1:9")
    remote = OverviewWriter(board, journal, there, study_record(study))
    assert (writer.every_s, remote.every_s) == (EVERY_S, REMOTE_EVERY_S)


def test_the_end_of_a_sweep_goes_on_without_it(
    writer: OverviewWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise OSError("no room")

    monkeypatch.setattr(writer, "_place", fails)
    with caplog.at_level(logging.WARNING):
        writer.finish()
    assert "the overview of all cells is not written: no room" in caplog.text


def test_the_former_place_of_a_home_that_was_moved_is_not_made_anew(
    writer: OverviewWriter, board: Board, ids: StudyIds, clock: Any, study: StudySpec, home: Home
) -> None:
    writer.renew()
    moved = home.root.rename(home.root.with_name("moved"))
    clock.now += 1000
    cell = study.trials[0]
    board.begin(cell_key(study, cell), labels=cell.labels, epochs=2)
    writer.renew()
    writer.finish()
    assert moved.exists()
    assert not home.root.exists()


def test_nor_if_it_is_moved_while_the_overview_is_composed(
    writer: OverviewWriter,
    board: Board,
    ids: StudyIds,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = board.text

    def moving() -> str:
        home.root.rename(home.root.with_name("moved"))
        return text()

    monkeypatch.setattr(board, "text", moving)
    writer.renew()
    assert not home.root.exists()


def test_after_a_late_delivery_it_is_made_from_the_journal(
    journal: Journal, home: Home, store: Store, study: StudySpec, cells: tuple[Cell, ...]
) -> None:
    record = study_record(study)
    journal.begin_study(record)
    ids = store.open_study(record)
    key = cell_key(study, cells[0])
    journal.begin(describe(cells[0], study, tags={}))
    journal.append(key, [Point("validation/error", 0, 0.5, 1000)])
    journal.end(key, State.FINISHED)
    refresh_overviews(journal, home, [study.key, "gone/x"])
    assert _states(store, ids) == ["finished"]
