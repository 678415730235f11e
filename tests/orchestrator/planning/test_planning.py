"""Plans: what is left of a study, and how much work it is."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.planning.planning import plan
from orchestrator.planning.sharing import stems
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec

MakeStudy = Callable[..., StudySpec]


def test_a_fresh_study_is_all_to_do(study: StudySpec, cells: tuple[Cell, ...]) -> None:
    todo = plan(study)
    assert todo.cells == cells == todo.todo
    assert (todo.num_cells, todo.num_todo) == (8, 8)
    assert (todo.epochs, todo.epochs_todo) == (16, 16)


def test_finished_trials_are_left_out(study: StudySpec, cells: tuple[Cell, ...]) -> None:
    todo = plan(study, finished=[cells[0].id, cells[5].id, "of another study"])
    assert todo.todo == cells[1:5] + cells[6:]
    assert todo.finished == {cells[0].id, cells[5].id}
    assert (todo.num_cells, todo.num_todo) == (8, 6)
    assert (todo.epochs, todo.epochs_todo) == (16, 12)


def test_a_finished_study_leaves_nothing(study: StudySpec, cells: tuple[Cell, ...]) -> None:
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


@pytest.fixture
def orders(make_study: MakeStudy) -> StudySpec:
    """All orders of three layers with both controls, four epochs a layer."""
    base = make_study().base.to_mapping() | {
        "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
        "layers": {"order": [1, 2, 3], "epochs_per_layer": 4},
        "epochs": 12,
    }
    seed = {"name": "seed", "seeds": [1]}
    order = {"name": "order", "sets": "layers.order", "permutations": "all"}
    return make_study(base=base, axes=[order | {"controls": ["float", "binary"]}, seed])


def test_common_beginnings_are_counted_once(orders: StudySpec) -> None:
    todo = plan(orders)
    assert (todo.stage_trainings, todo.stage_trainings_alone) == (15, 18)
    assert (todo.epochs, todo.epochs_alone, todo.epochs_todo) == (84, 96, 84)
    assert todo.shares
    said = "15 stage trainings instead of 18, 84 epochs instead of 96"
    assert str(todo.amount_todo) == said


def test_nothing_is_shared_if_so_asked(orders: StudySpec) -> None:
    todo = plan(orders, share=False)
    assert (todo.stage_trainings, todo.stage_trainings_alone) == (18, 18)
    assert (todo.epochs, todo.epochs_alone, todo.epochs_todo) == (96, 96, 96)
    assert not todo.shares
    assert todo.starts == {}


def test_only_what_is_left_to_train_is_shared(orders: StudySpec) -> None:
    by_order = {cell.labels["order"]: cell for cell in plan(orders).cells}
    # Forward is finished and left nothing: 132 begins at the beginning.
    todo = plan(orders, finished=[by_order["forward"].id])
    assert todo.starts[by_order["132"].id].begins == 0
    assert (todo.epochs, todo.epochs_todo) == (84, 84 - 8)
    # What it left is used.
    available = [stems(by_order["forward"].train)[0].id]
    todo = plan(orders, finished=[by_order["forward"].id], available=available)
    assert todo.starts[by_order["132"].id].begins == 4
    assert todo.epochs_todo == 84 - 12


def test_with_one_cell_left_a_beginning_on_the_disk_is_shared(orders: StudySpec) -> None:
    cells = plan(orders).cells
    rest = next(cell for cell in cells if cell.labels["order"] == "132")
    finished = [cell.id for cell in cells if cell is not rest]
    assert not plan(orders, finished=finished).shares
    assert plan(orders, finished=finished, available=[stems(rest.train)[0].id]).shares


def test_a_search_counts_samples(make_search: MakeStudy) -> None:
    todo = plan(make_search(), finished=["a", "b"])
    assert todo.cells == ()
    assert (todo.num_cells, todo.num_todo) == (5, 3)
    assert (todo.epochs, todo.epochs_todo) == (10, 6)
    assert (todo.stage_trainings, todo.epochs_alone) == (0, 10)
    assert not todo.shares


def test_a_search_that_made_more_than_it_asks_for_is_done(make_search: MakeStudy) -> None:
    todo = plan(make_search(), finished=list("abcdefg"))
    assert todo.num_todo == 0
    assert todo.epochs_todo == 0


def test_some_trials_alone_are_left_where_only_they_are_asked_for(study: StudySpec) -> None:
    cells = expand(study)
    asked = plan(study, finished=[cells[0].id], only=[cells[0].id, cells[1].id])
    assert asked.todo == (cells[1],)
    assert asked.epochs_todo == cells[1].train.epochs
    assert asked.num_cells == len(cells)
    assert plan(study, only=[]).num_todo == 0
