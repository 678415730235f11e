"""A sweep as a person follows it, in a terminal and elsewhere."""

import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli import display as module
from orchestrator.cli.display import SweepDisplay, follow_width, sweep_display
from orchestrator.execution.progress import Progress
from orchestrator.planning.planning import plan
from orchestrator.process.waiting import SAID_AFTER_S
from orchestrator.record.board import Board, board_of
from orchestrator.record.entries import Point
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State


@pytest.fixture
def clock(clock: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Seconds that pass when they are told to, for the display too."""
    monotonic = SimpleNamespace(monotonic=clock, thread_time=lambda: 0.0)
    monkeypatch.setattr(module, "time", monotonic)
    return clock


@pytest.fixture
def make_display(clock: Any) -> Callable[..., SweepDisplay]:
    def make(*, terminal: bool = False) -> SweepDisplay:
        console = Console(record=True, width=100, force_terminal=terminal, file=io.StringIO())
        return SweepDisplay(console)

    return make


MakeDisplay = Callable[..., SweepDisplay]


@pytest.fixture
def progress(clock: Any) -> Progress:
    return Progress(num_cells=12, epochs=120, clock=clock)


@pytest.fixture
def board(study: StudySpec) -> Board:
    """Of the study's 8 cells, all of which wait."""
    return board_of(study, [], holder_of=lambda trial: None)


@pytest.fixture
def key(board: Board, study: StudySpec, cells: tuple[Cell, ...]) -> str:
    """Of a cell that runs: forward, seed 1."""
    cell = next(cell for cell in cells if cell.labels == {"order": "forward", "seed": "1"})
    key = cell_key(study, cell)
    board.begin(key, labels=cell.labels, epochs=2)
    return key


def _text(display: SweepDisplay) -> str:
    return display.console.export_text(clear=True)


def test_a_plan_says_what_there_is_and_what_is_left(
    make_display: MakeDisplay, study: StudySpec
) -> None:
    display = make_display()
    todo = plan(study)
    display.planned(plan(study, finished=[todo.cells[0].id]), slots=2)
    text = _text(display)
    assert "tiny" in text
    assert study.question in text
    assert "8, 1 of them finished" in text
    assert "14 to train" in text
    assert "2 at a time" in text
    assert "changed" not in text


def test_a_plan_says_what_sharing_saves(
    make_display: MakeDisplay, make_study: Callable[..., StudySpec]
) -> None:
    base = make_study().base.to_mapping() | {
        "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
        "layers": {"order": [1, 2, 3], "epochs_per_layer": 400},
        "epochs": 1200,
    }
    display, todo = make_display(), plan(make_study(base=base))
    display.planned(todo, slots=2)
    said = "shared    30 stage trainings instead of 36, 16,800 epochs instead of 19,200"
    assert said in _text(display)
    alone = plan(make_study(base=base), share=False)
    display.planned(alone, slots=2)
    text = _text(display)
    assert "shared" not in text
    assert "19,200 to train" in text


def test_a_finished_study_leaves_nothing_to_do(
    make_display: MakeDisplay, study: StudySpec
) -> None:
    display = make_display()
    display.planned(plan(study, finished=[cell.id for cell in plan(study).cells]), slots=None)
    text = _text(display)
    assert "8, 8 of them finished" in text
    assert "nothing left to do" in text
    assert "at a time" not in text


def test_a_changed_study_says_in_what(make_display: MakeDisplay, study: StudySpec) -> None:
    display = make_display()
    changed = replace(
        study, variant=Variant(overrides=("axes.seed.seeds=[5]",), epoch_scale="0.5")
    )
    display.planned(plan(changed), slots=2)
    text = _text(display)
    assert "axes.seed.seeds=[5]" in text
    assert "0.5 of all epochs" in text


def test_a_search_counts_its_samples(
    make_display: MakeDisplay, make_search: Callable[..., StudySpec]
) -> None:
    display = make_display()
    display.planned(plan(make_search(), finished=["a", "b"]), slots=2)
    assert "5, 2 of them finished" in _text(display)


def test_elsewhere_than_in_a_terminal_each_failure_is_a_line_at_once_with_its_log(
    make_display: MakeDisplay, progress: Progress, board: Board, study: StudySpec
) -> None:
    display = make_display()
    display.planned(plan(study), slots=2)
    _text(display)
    display.began(progress, board)
    display.cell_ended("forward · seed 1", objective=0.0625, reason=None)
    display.cell_ended("reverse", objective=math.nan, reason="no memory", log=Path("a/b.log"))
    display.cell_retried("binary", reason="the worker died")
    failed, retried = _text(display).splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d tiny failed: reverse: no memory \(log: a/b.log\)", failed)
    assert retried == "binary failed and is retried: the worker died"


@pytest.mark.parametrize("text", ["[fc1]", "[/tmp/a]", "[red]", "[bold]x[/bold]"])
def test_brackets_are_shown_as_they_are(
    text: str, make_display: MakeDisplay, progress: Progress, board: Board, study: StudySpec
) -> None:
    display = make_display()
    display.planned(plan(replace(study, variant=Variant(overrides=(f"retries={text}",)))), slots=2)
    assert f"retries={text}" in _text(display)
    display.began(progress, board)
    display.cell_ended("forward", objective=0.5, reason=f"KeyError: {text}")
    display.cell_retried("forward", reason=f"KeyError: {text}")
    display.tick(waiting=f"no answer {text}")
    shown = _text(display)
    assert shown.count(f"KeyError: {text}") == 2
    assert f"no answer {text}" in shown


def test_a_line_says_how_far_it_is_now_and_then(
    make_display: MakeDisplay, progress: Progress, board: Board, clock: Any, key: str
) -> None:
    display = make_display()
    progress.start("a", name="forward", epochs=10)
    display.began(progress, board)
    display.tick(waiting=None)
    clock.now += 4
    progress.report("a", done=2, num_new=2, spent_s=0.0, objective=0.5)
    clock.now += 1
    display.tick(waiting=None)
    text = _text(display)
    assert "0/8 cells finished, 1 running" in text
    assert "2 epochs/s" in text
    assert "59 s left" in text
    display.tick(waiting=None)
    assert _text(display) == ""
    progress.report("a", done=10, num_new=8, spent_s=0.0, objective=0.25)
    progress.end("a", failed=False)
    board.end(key, State.FINISHED)
    clock.now += module.LINE_EVERY_S
    display.tick(waiting=None)
    text = _text(display)
    assert "1/8 cells finished" in text
    assert "lowest validation error 25.00% (forward)" in text
    assert len(text.splitlines()) == 1


def test_a_line_is_said_at_each_tenth(
    make_display: MakeDisplay, progress: Progress, board: Board, clock: Any
) -> None:
    display = make_display()
    display.began(progress, board)
    progress.start("a", name="forward", epochs=120)
    said = []
    for done in range(1, 61):
        clock.now += 2
        progress.report("a", done=done, num_new=1, spent_s=0.0, objective=0.5)
        display.tick(waiting=None)
        if _text(display):
            said.append(done)
    assert said == [2, 12, 24, 36, 48, 60]


def test_a_long_wait_for_the_first_epoch_is_said_once(
    make_display: MakeDisplay, progress: Progress, board: Board, clock: Any
) -> None:
    display = make_display()
    display.began(progress, board)
    display.tick(waiting=None)
    assert _text(display) == ""
    for _ in range(2):
        clock.now += SAID_AFTER_S + 1
        display.tick(waiting=None)
    assert _text(display) == "waiting for the first epoch of a cell\n"


def test_a_display_that_fails_is_done_without(
    progress: Progress, board: Board, clock: Any
) -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    display = sweep_display(console)
    display.began(progress, board)

    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("it cannot draw this")

    console.print = fail  # type: ignore[method-assign]
    for _ in range(2):
        display.cell_ended("forward", objective=0.5, reason=None)
        display.tick(waiting="no answer")
    display.stopped()


def test_a_stop_request_in_the_display_is_no_failure_of_it(
    progress: Progress, board: Board
) -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    display = sweep_display(console)

    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    console.print = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        display.stopping()


def test_a_store_that_does_not_answer_is_mentioned_once(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display()
    display.began(progress, board)
    for _ in range(3):
        display.tick(waiting="ConnectionError: no answer")
    text = _text(display)
    assert text.count("ConnectionError: no answer") == 1
    assert "journal" in text


def test_of_a_few_cells_each_is_a_line(
    make_display: MakeDisplay, board: Board, clock: Any
) -> None:
    display = make_display()
    progress = Progress(num_cells=3, epochs=30, clock=clock)
    display.began(progress, board)
    for number, error in enumerate((0.5, 0.25, 0.75)):
        progress.start(str(number), name=f"cell {number}", epochs=10)
        progress.report(str(number), done=10, num_new=10, spent_s=1.0, objective=error)
        progress.end(str(number), failed=False)
        display.cell_ended(f"cell {number}", objective=error, reason=None)
    lines = _text(display).splitlines()
    assert [line.partition("lowest ")[2] for line in lines] == [
        "validation error 50.00% (cell 0)",
        "validation error 25.00% (cell 1)",
        "validation error 25.00% (cell 1)",
    ]


def test_a_terminal_shows_the_rows_and_what_came_of_them(
    make_display: MakeDisplay, progress: Progress, board: Board, clock: Any, key: str
) -> None:
    display = make_display(terminal=True)
    display.began(progress, board)
    assert "forward" in _text(display)
    board.append(key, [Point("validation/error", epoch, 0.125, 1) for epoch in (0, 1)])
    board.append(key, [Point("selected/validation_error", 1, 0.125, 1)])
    board.end(key, State.FINISHED)
    clock.now += 1
    display.tick(waiting=None)
    text = _text(display)
    assert "1/8 cells finished" in text
    assert "12.50" in text
    assert "nan" not in text
    display.stopped()


def test_what_waits_for_delivery_is_counted(
    make_display: MakeDisplay, progress: Progress, board: Board, clock: Any
) -> None:
    display = make_display(terminal=True)
    display.began(progress, board)
    board.num_waiting = 3
    clock.now += 1
    display.tick(waiting="Connection refused")
    assert "3 wait for MLflow" in _text(display)
    display.stopped()


def test_a_picture_that_takes_long_is_drawn_seldom(
    make_display: MakeDisplay,
    progress: Progress,
    board: Board,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    display = make_display(terminal=True)
    display.began(progress, board)
    costs = iter([0.0, 1.0])
    monkeypatch.setattr(module.time, "thread_time", lambda: next(costs))
    clock.now += 1
    display.tick(waiting=None)
    _text(display)
    clock.now += 1 / module.SHARE_OF_TIME - 1
    display.tick(waiting=None)
    assert _text(display) == ""
    monkeypatch.setattr(module.time, "thread_time", lambda: 0.0)
    display.stopped()


def test_lines_that_a_narrower_terminal_has_wrapped_are_drawn_over(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display(terminal=True)
    display.began(progress, board)
    assert display.live is not None
    drawn = display.live._live_render
    assert drawn._shape is not None
    width, height = drawn._shape
    follow_width(display.live, display.drawn, width)
    assert drawn._shape == (width, height)
    follow_width(display.live, display.drawn, 25)
    assert drawn._shape[0] == 25
    assert drawn._shape[1] > height
    display.stopped()


def test_a_terminal_is_not_drawn_more_often_than_eyes_can_see(
    make_display: MakeDisplay, progress: Progress, board: Board, clock: Any
) -> None:
    display = make_display(terminal=True)
    display.began(progress, board)
    _text(display)
    clock.now += module.DRAW_EVERY_S / 2
    display.tick(waiting=None)
    assert _text(display) == ""
    display.stopped()


def test_in_a_terminal_the_picture_names_what_failed(
    make_display: MakeDisplay, progress: Progress, board: Board, study: StudySpec
) -> None:
    display = make_display(terminal=True)
    display.planned(plan(study), slots=2)
    display.began(progress, board)
    display.cell_ended("forward · seed 1", objective=0.5, reason=None)
    display.cell_ended("reverse · seed 1", objective=0.5, reason="no memory")
    display.stopped()
    text = _text(display)
    assert "forward · seed 1" not in text
    assert "failed: reverse · seed 1: no memory" in text


def test_the_cursor_is_never_left_hidden(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display(terminal=True)
    display.began(progress, board)
    written = display.console.file.getvalue()  # type: ignore[attr-defined]
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    display.stopped()


def test_a_display_may_be_stopped_twice_or_before_it_began(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display(terminal=True)
    display.stopped()
    display.began(progress, board)
    display.stopped()
    display.stopped()
    assert display.live is None


def test_a_plan_says_what_disk_it_needs(make_display: MakeDisplay, study: StudySpec) -> None:
    display = make_display()
    display.planned(plan(study), slots=2, disk="about 3 MB; 13 GB free in /home")
    assert "disk      about 3 MB; 13 GB free in /home" in _text(display)
    display.planned(plan(study), slots=2)
    assert "disk" not in _text(display)


def test_what_a_cell_did_without_is_a_line(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display()
    display.began(progress, board)
    display.cell_noted("forward", note="[x.pt] is damaged; not used")
    assert _text(display).strip() == "forward: [x.pt] is damaged; not used"


def test_cells_that_are_kept_apart_say_so(make_display: MakeDisplay, study: StudySpec) -> None:
    display = make_display()
    display.planned(plan(replace(study, variant=Variant(apart="v2"))), slots=2)
    assert "changed   kept apart as v2" in _text(display)


def test_a_store_that_is_silent_from_the_start_is_said_once_and_when_it_answers(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display()
    display.silent("Connection refused", journal=Path("bnn-runs/journal.db"))
    text = _text(display)
    assert "does not answer: Connection refused" in text
    assert "results wait in bnn-runs/journal.db" in text
    display.began(progress, board)
    display.tick(waiting="Connection refused")
    assert _text(display) == ""
    display.tick(waiting=None)
    assert _text(display) == "MLflow takes results again\n"


def test_a_lost_cluster_is_said_with_what_to_do(make_display: MakeDisplay) -> None:
    display = make_display()
    display.lost("the head of the Ray cluster, head:6379, was restarted")
    assert _text(display) == (
        "stopped: the head of the Ray cluster, head:6379, was restarted\n"
        "what was trained is kept; once the cluster is there again, the same command goes on\n"
    )


def test_who_else_trains_is_said_once_for_each_answer(
    make_display: MakeDisplay, progress: Progress, board: Board
) -> None:
    display = make_display()
    display.began(progress, board)
    for _ in range(3):
        display.elsewhere(2, "process 7 on here")
    assert _text(display) == "waiting for 2 cells that others train (process 7 on here)\n"
    display.elsewhere(1, "")
    assert _text(display) == "waiting for 1 cell that others train (unknown process)\n"
    progress.num_elsewhere = 3
    assert "3 trained by others" in display._line()


def test_a_wish_to_stop_is_answered(make_display: MakeDisplay) -> None:
    display = make_display()
    display.stopping()
    assert _text(display) == "stopping at the end of the epoch; Ctrl-C again stops at once\n"
