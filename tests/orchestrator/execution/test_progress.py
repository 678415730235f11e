"""Counting: epochs, rates, what is left."""

import math
from typing import Any

import pytest

from orchestrator.execution.progress import Progress
from orchestrator.planning.forecast import USUAL_CHANGE_S, Epoch, Forecast, Todo
from orchestrator.planning.workload import Kind, Stretch


@pytest.fixture
def progress(clock: Any) -> Progress:
    """Two cells of ten epochs, both running."""
    progress = Progress(num_cells=2, epochs=20, clock=clock)
    for key in ("a", "b"):
        progress.start(key, name=f"cell {key}", epochs=10)
    return progress


def test_nothing_is_known_before_the_first_report(progress: Progress) -> None:
    assert progress.epochs_per_s is None
    assert progress.remaining_s is None
    assert progress.epochs_done == 0
    assert progress.best is None
    assert math.isnan(progress.running["a"].objective)


def test_the_start_of_the_processes_is_no_part_of_the_rate(progress: Progress, clock: Any) -> None:
    clock.now += 60
    progress.report("a", done=2, num_new=2, spent_s=1.0, objective=0.5)
    assert progress.epochs_per_s == pytest.approx(2)
    assert progress.remaining_s == pytest.approx(9)


def test_the_rate_is_that_of_all_workers_together(progress: Progress, clock: Any) -> None:
    progress.report("a", done=1, num_new=1, spent_s=1.0, objective=0.5)
    progress.report("b", done=1, num_new=1, spent_s=1.0, objective=0.5)
    clock.now += 3
    progress.report("a", done=5, num_new=4, spent_s=3.0, objective=0.5)
    progress.report("b", done=3, num_new=2, spent_s=3.0, objective=0.5)
    assert progress.epochs_per_s == pytest.approx(8 / 4)
    assert progress.epochs_done == 8
    assert progress.remaining_s == pytest.approx(12 / 2)


def test_epochs_that_are_repeated_from_a_checkpoint_count_as_done_only_once(
    progress: Progress,
) -> None:
    progress.report("a", done=6, num_new=6, spent_s=1.0, objective=0.5)
    progress.start("a", name="cell a", epochs=10)
    assert progress.epochs_done == 0
    progress.report("a", done=6, num_new=6, spent_s=1.0, objective=0.5)
    assert progress.epochs_done == 6


def test_a_cell_that_was_stopped_early_counts_as_all_of_its_epochs(progress: Progress) -> None:
    progress.report("a", done=3, num_new=3, spent_s=1.0, objective=0.5)
    progress.end("a", failed=False)
    assert progress.epochs_done == 10
    assert list(progress.running) == ["b"]


def test_the_best_cell_is_the_one_of_the_lowest_objective(progress: Progress) -> None:
    progress.report("a", done=10, num_new=10, spent_s=1.0, objective=0.3)
    progress.end("a", failed=False)
    assert progress.best == (0.3, "cell a")
    progress.report("b", done=10, num_new=10, spent_s=1.0, objective=0.4)
    progress.end("b", failed=False)
    assert progress.best == (0.3, "cell a")
    assert progress.num_finished == 2


def test_a_failed_cell_is_neither_finished_nor_best(progress: Progress) -> None:
    progress.report("a", done=3, num_new=3, spent_s=1.0, objective=0.1)
    progress.end("a", failed=True)
    assert (progress.num_finished, progress.num_failed) == (0, 1)
    assert progress.best is None


def test_no_time_is_left_when_all_is_done(progress: Progress) -> None:
    for key in ("a", "b"):
        progress.report(key, done=10, num_new=10, spent_s=1.0, objective=0.1)
        progress.end(key, failed=False)
    assert progress.remaining_s == 0


@pytest.fixture
def branch(clock: Any) -> Progress:
    """One cell that shall begin with four of its ten epochs, and nothing else."""
    progress = Progress(num_cells=1, epochs=6, inherited={"b": 4}, clock=clock)
    progress.start("b", name="cell b", epochs=10)
    return progress


def _say(progress: Progress, done: int, *, inherited: int, num_new: int = 0) -> None:
    progress.report(
        "b", done=done, inherited=inherited, num_new=num_new, spent_s=num_new, objective=0.5
    )


def test_epochs_of_others_are_not_counted_as_trained(branch: Progress, clock: Any) -> None:
    _say(branch, 1, inherited=1)
    assert (branch.epochs, branch.epochs_done) == (6, 0)
    clock.now += 3
    _say(branch, 7, inherited=4, num_new=3)
    assert (branch.epochs, branch.epochs_done) == (6, 3)
    assert branch.epochs_per_s == pytest.approx(1)
    assert branch.remaining_s == pytest.approx(3)
    branch.end("b", failed=False)
    assert (branch.epochs, branch.epochs_done) == (6, 6)


def test_what_could_not_be_begun_with_is_more_to_do(branch: Progress, clock: Any) -> None:
    clock.now += 1
    _say(branch, 1, inherited=0, num_new=1)
    assert (branch.epochs, branch.epochs_done) == (10, 1)
    branch.end("b", failed=False)
    assert (branch.epochs, branch.epochs_done) == (10, 10)


def test_a_cell_that_begins_again_is_expected_to_go_as_planned(branch: Progress) -> None:
    _say(branch, 1, inherited=0, num_new=1)
    branch.start("b", name="cell b", epochs=10)
    assert (branch.epochs, branch.epochs_done) == (6, 0)


def test_more_epochs_of_others_than_planned_are_less_to_do(branch: Progress) -> None:
    _say(branch, 6, inherited=6)
    assert (branch.epochs, branch.epochs_done) == (4, 0)
    branch.end("b", failed=False)
    assert branch.remaining_s is None
    assert (branch.epochs, branch.epochs_done) == (4, 4)


def test_what_others_train_meanwhile_is_no_more_to_do(clock: Any) -> None:
    progress = Progress(num_cells=3, epochs=26, inherited={"b": 4}, clock=clock)
    progress.trained_elsewhere("b", epochs=10)
    assert (progress.epochs, progress.num_elsewhere) == (20, 1)
    progress.trained_elsewhere("c", epochs=10)
    assert (progress.epochs, progress.num_elsewhere) == (10, 2)
    assert progress.epochs_done == 0


def test_a_sweep_is_over_when_every_cell_came_to_an_end_here_or_elsewhere(clock: Any) -> None:
    progress = Progress(num_cells=3, epochs=30, clock=clock)
    for key in ("a", "b"):
        progress.start(key, name=key, epochs=10)
    progress.end("a", failed=False)
    progress.end("b", failed=True)
    assert not progress.is_over
    progress.trained_elsewhere("c", epochs=10)
    assert progress.is_over


def test_a_search_that_finds_no_more_cells_is_over() -> None:
    progress = Progress(num_cells=5, epochs=50)
    for key in ("a", "b"):
        progress.start(key, name=key, epochs=10)
        progress.end(key, failed=key == "b")
    assert not progress.is_over
    progress.expect_no_more()
    assert progress.is_over
    assert progress.num_cells == 2


def test_a_cell_that_gives_its_place_back_counts_as_not_begun(clock: Any) -> None:
    progress = Progress(num_cells=2, epochs=16, inherited={"b": 4}, clock=clock)
    progress.start("b", name="b", epochs=10)
    # It trains what another cell should have trained for it.
    progress.report("b", done=2, num_new=2, spent_s=1.0, objective=0.5, inherited=0)
    assert (progress.epochs, progress.epochs_done) == (20, 2)
    progress.give_back("b")
    assert (progress.epochs, progress.epochs_done, progress.running) == (16, 0, {})
    assert not progress.is_over


def test_a_forecast_is_told_of_each_event_and_says_what_is_left(clock: Any) -> None:
    kind = Kind("net", 1)
    work = (Stretch(kind, 10),)
    todo = {key: Todo(work=work) for key in "abc"}
    forecast = Forecast(todo, slots=lambda: 1, guess=lambda _: 9.0, clock=clock)
    progress = Progress(num_cells=3, epochs=30, clock=clock, forecast=forecast)
    progress.start("a", name="cell a", epochs=10)
    assert progress.remaining_s is None
    for step in range(10):
        clock.now += 2
        new = [Epoch(step, 2.0, int(clock.now * 1000))]
        progress.report("a", done=step + 1, num_new=1, spent_s=2.0, objective=0.5, new=new)
    progress.end("a", failed=False)
    assert progress.remaining_s == pytest.approx(40 + 2 * USUAL_CHANGE_S)
    progress.trained_elsewhere("b", epochs=10)
    assert progress.remaining_s == pytest.approx(20 + USUAL_CHANGE_S)
    progress.start("c", name="cell c", epochs=10)
    progress.end("c", failed=True)
    assert progress.remaining_s == 0
    progress.expect_no_more()
