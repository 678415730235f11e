"""The board: all cells of a study while a sweep goes on."""

import json
from collections.abc import Callable

import pytest

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.mlflow_reader.overview import CURVE, CellNow, Overview
from orchestrator.record.board import Board, board_of, board_of_record
from orchestrator.record.conflicts import plan_content, study_record
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State

POINTS = [
    Point(CURVE, 0, 0.5, 1000),
    Point("binary/layers", 0, 1.0, 1000),
    Point("binary/fc2", 0, 1.0, 1000),
    Point("binary/fc1", 0, 0.0, 1000),
    Point(CURVE, 1, 0.25, 2000),
    Point("binary/fc1", 1, 1.0, 2000),
    Point("binary/fc2", 1, 1.0, 2000),
    Point("lr", 1, 0.1, 2000),
]


@pytest.fixture
def keys(study: StudySpec, cells: tuple[Cell, ...]) -> list[str]:
    return [cell_key(study, cell) for cell in cells]


def _none(trial: str) -> None:
    return None


@pytest.fixture
def board(study: StudySpec) -> Board:
    return board_of(study, [], holder_of=_none)


def _read(board: Board) -> list[CellNow]:
    overview = Overview.from_text(board.text())
    assert overview is not None
    return list(overview.cells())


def _journal_a_cell(
    journal: Journal, study: StudySpec, cell: Cell, *, state: State = State.FINISHED
) -> None:
    key = cell_key(study, cell)
    journal.begin(describe(cell, study, tags={}))
    journal.append(key, POINTS)
    journal.set_run(key, "run 7")
    journal.end(key, state, {vocabulary.REASON: "no memory\nmore"} if state == "failed" else {})


def test_a_cell_is_followed_from_its_start_to_its_end(
    board: Board, keys: list[str], cells: tuple[Cell, ...]
) -> None:
    assert {cell.state for cell in _read(board)} == {"waiting"}
    board.begin(keys[2], labels=cells[2].labels, epochs=2)
    board.append(keys[2], POINTS)
    now = _read(board)[2]
    assert (now.state, now.epoch, now.epochs) == ("running", 2, 2)
    assert now.curve == (0.5, 0.25)
    assert now.switches == ((0, "fc2"), (1, "fc1"))
    assert now.metrics == {CURVE: 0.25}
    board.append(keys[2], [Point("selected/test_error", 1, 0.125, 3000)])
    board.end(keys[2], State.FINISHED)
    now = _read(board)[2]
    assert now.state == "finished"
    assert now.metrics == {CURVE: 0.25, "selected/test_error": 0.125}
    assert now.started is not None
    assert now.ended is not None


def test_only_what_changed_since_is_looked_at_again(board: Board, keys: list[str]) -> None:
    assert len(board.changed(-1)) == len(keys)
    since = board.revision
    assert board.changed(since) == []
    board.begin(keys[1], labels={}, epochs=2)
    assert [number for number, _ in board.changed(since)] == [1]


def test_a_failure_has_its_reason_in_one_line(board: Board, keys: list[str]) -> None:
    board.begin(keys[0], labels={}, epochs=2)
    board.end(keys[0], State.FAILED, reason="out of memory\nTraceback ...")
    assert _read(board)[0].reason == "out of memory"
    board.begin(keys[0], labels={}, epochs=2)
    assert (_read(board)[0].reason, _read(board)[0].state) == (None, "running")


def test_cells_of_other_processes_come_from_the_journal(
    board: Board, journal: Journal, study: StudySpec, cells: tuple[Cell, ...]
) -> None:
    _journal_a_cell(journal, study, cells[0])
    _journal_a_cell(journal, study, cells[1], state=State.FAILED)
    board.look(journal, study.key)
    finished, failed, *others = _read(board)
    assert (finished.state, finished.run_id, finished.epoch) == ("finished", "run 7", 2)
    assert (finished.started, finished.ended) == (1000, 2000)
    assert finished.switches == ((0, "fc2"), (1, "fc1"))
    assert (failed.state, failed.reason) == ("failed", "no memory")
    assert {cell.state for cell in others} == {"waiting"}


def test_a_cell_that_failed_before_waits_until_it_is_retried(
    journal: Journal, study: StudySpec, cells: tuple[Cell, ...], keys: list[str]
) -> None:
    _journal_a_cell(journal, study, cells[0], state=State.FAILED)
    there = RecordedCell(
        run_id="run 7", key=keys[0], labels=cells[0].labels, state=State.FAILED, reason="x"
    )
    board = board_of(study, [there], holder_of=_none)
    board.look(journal, study.key)
    assert (_read(board)[0].state, _read(board)[0].reason) == ("waiting", None)
    board.begin(keys[0], labels=cells[0].labels, epochs=2)
    board.end(keys[0], State.FAILED, reason="again")
    board.look(journal, study.key)
    assert _read(board)[0].reason == "again"


@pytest.mark.parametrize(("holder", "state"), [(None, "waiting"), ("process 7", "running")])
def test_a_cell_runs_if_a_living_process_trains_it(
    study: StudySpec, cells: tuple[Cell, ...], keys: list[str], holder: str | None, state: str
) -> None:
    there = RecordedCell(run_id="r", key=keys[0], labels=cells[0].labels, state=State.RUNNING)
    board = board_of(study, [there], holder_of=lambda trial: holder)
    assert _read(board)[0].state == state


def test_a_cell_that_a_search_draws_comes_last(make_search: Callable[..., StudySpec]) -> None:
    board = board_of(make_search(), [], holder_of=_none)
    assert _read(board) == []
    board.begin("drawn", labels={"lr": "0.1", "size": "32"}, epochs=2)
    assert [cell.labels for cell in _read(board)] == [{"lr": "0.1", "size": "32"}]


def test_an_earlier_overview_gives_the_curves_of_finished_cells(
    study: StudySpec, cells: tuple[Cell, ...], keys: list[str], board: Board
) -> None:
    there = RecordedCell(
        run_id="r", key=keys[0], labels=cells[0].labels, state=State.FINISHED,
        metrics={"selected/test_error": 0.5},
    )  # fmt: skip
    earlier = board_of(study, [there], holder_of=_none)
    earlier.append(keys[0], POINTS)
    overview = Overview.from_text(earlier.text())
    assert overview is not None
    again = board_of(study, [there], holder_of=_none)
    again.adopt(overview)
    assert _read(again)[0].curve == (0.5, 0.25)
    # Cells that wait are not made finished ones by what was written once.
    board.adopt(overview)
    assert _read(board)[0].state == "waiting"
    board.adopt(overview, is_whole=True)
    assert _read(board)[0].state == "finished"


def test_without_a_sweep_the_journal_and_its_plan_are_enough(
    journal: Journal, study: StudySpec, cells: tuple[Cell, ...]
) -> None:
    from orchestrator.planning.planning import plan

    texts = {vocabulary.PLAN_ARTIFACT: json.dumps(plan_content(plan(study)))}
    record = study_record(study, texts=texts)
    journal.begin_study(record)
    _journal_a_cell(journal, study, cells[3])
    now = _read(board_of_record(record, journal))
    assert [cell.labels for cell in now] == [dict(cell.labels) for cell in cells]
    assert [cell.state for cell in now].index("finished") == 3
    assert {cell.epochs for cell in now} == {2}


def test_the_text_of_many_cells_costs_what_has_changed(board: Board, study: StudySpec) -> None:
    import time

    for number in range(4000):
        board.begin(f"c{number}", labels={"order": str(number), "seed": "1"}, epochs=2)
        board.append(f"c{number}", POINTS)

    def cost() -> float:
        began = time.thread_time()
        board.text()
        return time.thread_time() - began

    whole = cost()
    board.begin("c7", labels={}, epochs=2)
    assert min(cost() for _ in range(3)) < whole / 2
