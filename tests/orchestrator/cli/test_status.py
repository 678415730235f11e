"""`status`: how far a sweep is, from MLflow alone."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.cli import status
from orchestrator.cli.status import epochs_per_s
from orchestrator.home import Home
from orchestrator.mlflow_reader.overview import CURVE, CellNow
from orchestrator.record.board import Board, board_of
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.store import Store, StudyIds
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State


def test_the_rate_is_that_of_all_cells_since_the_oldest_running_one() -> None:
    running = CellNow(labels={}, epochs=10, epoch=5, state="running", started=10_000)
    before = CellNow(labels={}, epochs=8, state="finished", started=6_000, ended=14_000)
    old = CellNow(labels={}, epochs=99, state="finished", started=1_000, ended=2_000)
    assert epochs_per_s([running, old], 20_000) == 0.5
    # Half of its time, and so half of its epochs, came after the other one had started.
    assert epochs_per_s([running, before, old], 20_000) == 0.9
    assert epochs_per_s([before, old], 20_000) is None
    assert epochs_per_s([], 0) is None


@pytest.fixture
def board(study: StudySpec, cells: tuple[Cell, ...]) -> Board:
    """One cell finished, one failed, one running, five waiting."""
    board = board_of(study, [], holder_of=lambda trial: None)
    for cell in cells[:3]:
        key = cell_key(study, cell)
        board.begin(key, labels=cell.labels, epochs=2)
        board.append(key, [Point(CURVE, 0, 0.25, 1), Point("binary/fc1", 0, 1.0, 1)])
    first, second = (cell_key(study, cell) for cell in cells[:2])
    board.append(first, [Point("selected/validation_error", 1, 0.125, 1)])
    board.end(first, State.FINISHED)
    board.end(second, State.FAILED, reason="no memory")
    return board


@pytest.fixture
def written(store: Store, ids: StudyIds, board: Board) -> Store:
    store.log_text(ids.run, board.text(), vocabulary.OVERVIEW_ARTIFACT)
    store.set_state(ids.run, State.RUNNING, {})
    return store


@pytest.mark.slow
def test_the_bar_of_a_sweep_whose_cells_failed_is_not_full(
    store: Store,
    ids: StudyIds,
    study: StudySpec,
    cells: tuple[Cell, ...],
    cli: Callable[..., Any],
    home: Home,
) -> None:
    board = board_of(study, [], holder_of=lambda trial: None)
    for cell in cells:
        board.begin(cell_key(study, cell), labels=cell.labels, epochs=2)
        board.end(cell_key(study, cell), State.FAILED, reason="no memory")
    store.log_text(ids.run, board.text(), vocabulary.OVERVIEW_ARTIFACT)
    store.set_state(ids.run, State.FAILED, {})
    out = cli("status", "tiny", "--home", str(home.root)).out
    assert "0/8 cells finished · 8 failed" in out
    assert "   0%" in out
    assert "100%" not in out


@pytest.mark.slow
def test_it_draws_the_rows_from_what_the_sweep_wrote(
    written: Store, cli: Callable[..., Any], home: Home
) -> None:
    answer = cli("status", "tiny", "--home", str(home.root))
    assert answer.code == 0
    assert "1/8 cells finished · 1 running · 1 failed" in answer.out
    assert "12.50" in answer.out
    assert "failed: float · seed 2: no memory" in answer.out
    assert "as of " in answer.out


@pytest.mark.slow
def test_what_ended_since_is_counted(
    written: Store,
    study: StudySpec,
    ids: StudyIds,
    cells: tuple[Cell, ...],
    cli: Callable[..., Any],
    home: Home,
) -> None:
    run = written.create_cell(describe(cells[2], study, tags={}), ids)
    written.log_points(run, [Point("selected/validation_error", 1, 0.5, 1)])
    written.set_state(run, State.FINISHED, {})
    answer = cli("status", "tiny", "--home", str(home.root))
    assert "2/8 cells finished · 1 failed" in answer.out
    assert "50.00" in answer.out


@pytest.mark.slow
def test_a_sweep_whose_mark_is_not_renewed_looks_dead(
    written: Store, ids: StudyIds, cli: Callable[..., Any], home: Home
) -> None:
    def says(until: float) -> str:
        mark = json.dumps({"name": "process 7 on far", "until": until})
        written.set_tags(ids.run, {vocabulary.HELD.format(holder="a.7"): mark})
        return str(cli("status", "tiny", "--home", str(home.root)).out)

    assert "dead" not in says(time.time() + 60)
    dead = says(time.time() - 3600)
    assert "the sweep looks dead: process 7 on far has not renewed its mark" in dead


@pytest.mark.slow
def test_a_killed_sweep_of_this_home_looks_dead(
    written: Store, cli: Callable[..., Any], home: Home, ids: StudyIds
) -> None:
    home.journal.touch()
    out = cli("status", "tiny", "--home", str(home.root)).out
    assert "the sweep looks dead: no process uses" in out
    assert "1 stopped half-way" in out
    written.set_state(ids.run, State.INTERRUPTED, {})
    out = cli("status", "tiny", "--home", str(home.root)).out
    assert "dead" not in out
    assert "1 failed · interrupted" in out


@pytest.mark.slow
def test_what_is_not_recorded_is_said_with_what_is(
    written: Store, refused: Callable[..., str], home: Home
) -> None:
    err = refused("status", "tinny", "--home", str(home.root))
    assert "no sweep of the study 'tinny' is recorded in" in err
    assert "did you mean 'tiny'" in err
    assert "recorded: tiny" in err


@pytest.mark.slow
def test_another_variant_is_not_shown_in_its_place(
    written: Store, study: StudySpec, home: Home
) -> None:
    other = replace(study, variant=Variant(apart="z"))
    with pytest.raises(status.NoSweepError, match="in this variant; recorded: 'tiny'"):
        status._variant(written.reader, home, other)


@pytest.mark.slow
def test_a_home_without_a_store_has_no_sweep(refused: Callable[..., str]) -> None:
    assert "there is no such file; run a sweep first" in refused(
        "status", "tiny", "--home", "nowhere"
    )


@pytest.mark.slow
def test_following_ends_with_the_sweep(
    written: Store,
    ids: StudyIds,
    cli: Callable[..., Any],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status, "EVERY_S", 0.05)
    end = threading.Timer(0.5, lambda: Store(home).set_state(ids.run, State.FINISHED, {}))
    end.start()
    answer = cli("status", "tiny", "--follow", "--home", str(home.root))
    end.join()
    assert answer.code == 0
    first, last = answer.out.splitlines()
    assert "tiny 1/8 cells finished, 1 running, 1 failed" in first
    assert "tiny 1/8 cells finished, 1 stopped half-way, 1 failed" in last


@pytest.mark.slow
def test_following_says_that_a_sweep_looks_dead(
    written: Store,
    ids: StudyIds,
    cli: Callable[..., Any],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status, "EVERY_S", 0.05)
    home.journal.touch()
    end = threading.Timer(0.5, lambda: Store(home).set_state(ids.run, State.FINISHED, {}))
    end.start()
    first, _ = cli("status", "tiny", "--follow", "--home", str(home.root)).out.splitlines()
    end.join()
    dead = f"looks dead: no process uses {home.journal}"
    assert first.endswith(f"1/8 cells finished, 1 stopped half-way, 1 failed, {dead}")


@pytest.mark.slow
def test_a_store_that_goes_away_meanwhile_is_waited_for(
    written: Store, home: Home, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any]
) -> None:
    from orchestrator.mlflow_reader.followed import Followed

    monkeypatch.setattr(status, "EVERY_S", 0.01)
    look, calls = Followed.look, iter([0, 1, 2])

    def at_times(self: Followed) -> Any:
        import requests

        if (number := next(calls)) == 1:
            raise requests.ConnectionError("it is away")
        if number == 2:
            written.set_state(self.variant.run_id, State.FINISHED, {})
        return look(self)

    monkeypatch.setattr(Followed, "look", at_times)
    assert cli("status", "tiny", "--follow", "--home", str(home.root)).code == 0
    assert next(calls, None) is None
