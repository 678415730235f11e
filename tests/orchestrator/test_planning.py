"""Plans: what is left of a study, and how much work it is."""

from collections.abc import Callable
from typing import Any

from orchestrator.expansion import expand
from orchestrator.planning import plan
from orchestrator.study import StudySpec, TrialSpec

MakeStudy = Callable[..., StudySpec]


def test_a_fresh_study_is_all_to_do(study: StudySpec, cells: tuple[TrialSpec, ...]) -> None:
    todo = plan(study)
    assert todo.cells == cells == todo.todo
    assert (todo.num_cells, todo.num_todo) == (8, 8)
    assert (todo.epochs, todo.epochs_todo) == (16, 16)


def test_finished_trials_are_left_out(study: StudySpec, cells: tuple[TrialSpec, ...]) -> None:
    todo = plan(study, finished=[cells[0].id, cells[5].id, "of another study"])
    assert todo.todo == cells[1:5] + cells[6:]
    assert todo.finished == {cells[0].id, cells[5].id}
    assert (todo.num_cells, todo.num_todo) == (8, 6)
    assert (todo.epochs, todo.epochs_todo) == (16, 12)


def test_a_finished_study_leaves_nothing(study: StudySpec, cells: tuple[TrialSpec, ...]) -> None:
    todo = plan(study, finished=[cell.id for cell in cells])
    assert todo.todo == ()
    assert todo.epochs_todo == 0


def test_a_trial_that_stands_in_two_places_is_trained_once(make_study: MakeStudy) -> None:
    # Without a layer of binary weights it does not matter how long each would take.
    values: dict[str, Any] = {
        "short": {"layers.order": [], "layers.epochs_per_layer": 1},
        "long": {"layers.order": [], "layers.epochs_per_layer": 2},
        "other": {"layers.order": ["fc1"]},
    }
    study = make_study(axes=[{"name": "o", "values": values}], matrix={"rows": "o"})
    cells = expand(study)
    assert cells[0].id == cells[1].id
    todo = plan(study)
    assert todo.num_cells == 3
    assert todo.todo == (cells[0], cells[2])
    assert (todo.epochs, todo.epochs_todo) == (6, 4)


def test_a_search_counts_samples(make_search: MakeStudy) -> None:
    todo = plan(make_search(), finished=["a", "b"])
    assert todo.cells == ()
    assert (todo.num_cells, todo.num_todo) == (5, 3)
    assert (todo.epochs, todo.epochs_todo) == (10, 6)


def test_a_search_that_made_more_than_it_asks_for_is_done(make_search: MakeStudy) -> None:
    todo = plan(make_search(), finished=list("abcdefg"))
    assert todo.num_todo == 0
    assert todo.epochs_todo == 0
