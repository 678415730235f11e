"""What epochs took, from recorded cells."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell, recorded_cell
from orchestrator.planning.planning import Plan, plan
from orchestrator.planning.workload import Kind
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.record.measured import basis_for, measured_here, measured_there
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State


@pytest.fixture
def todo(make_study: Callable[..., StudySpec], make_mapping: Callable[..., Any]) -> Plan:
    """Cells of four epochs: two with one binary layer, then two with both."""
    base = make_mapping()["base"] | {
        "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 2},
        "epochs": 4,
    }
    orders = {"name": "order", "sets": "layers.order", "permutations": "all"}
    axes = [orders, {"name": "seed", "seeds": [1, 2]}]
    return plan(make_study(base=base, axes=axes, matrix={"rows": "order", "over": "seed"}))


@pytest.fixture
def training(todo: Plan) -> str:
    """The training of its cells."""
    return next(iter(todo.works.values()))[0].kind.training


@pytest.fixture
def records(journal: Journal, todo: Plan) -> Callable[..., None]:
    """Journals a cell that took these seconds for its epochs, and as many in between."""

    def put(number: int, seconds: Sequence[float], *, tags: Any = None, first: int = 0) -> None:
        cell = todo.todo[number]
        description = describe(cell, todo.study, tags=tags or {})
        journal.begin(description)
        ends, points = 1_000_000, []
        for step, each in enumerate(seconds, start=first):
            ends += int(each * 2000)
            points.append(Point("epoch_s", step, each, ends))
        if first:
            points.append(Point(vocabulary.INHERITED_EPOCHS, 3, first, ends))
        journal.append(description.cell, points)
        journal.end(description.cell, State.FINISHED)

    return put


def test_epochs_of_this_home_are_measured_from_end_to_end(
    records: Callable[..., None], journal: Journal, training: str
) -> None:
    records(0, [9.0, 1.0, 2.0, 4.0])
    found = measured_here(journal, [training])
    assert found is not None
    assert (found.num_cells, found.where) == (1, "here")
    # The first epoch of a process also warms up.
    one, two = found.measured[Kind(training, 1)], found.measured[Kind(training, 2)]
    assert (one.num, one.mean) == (1, 2.0)
    assert (two.num, two.mean) == (2, 6.0)


def test_an_interruption_counts_as_no_epoch(
    records: Callable[..., None], journal: Journal, training: str, todo: Plan
) -> None:
    records(0, [1.0, 1.0])
    cell = describe(todo.todo[0], todo.study, tags={}).cell
    journal.append(cell, [Point("epoch_s", 2, 1.0, 90_000_000), Point("epoch_s", 3, 1.0, 0)])
    found = measured_here(journal, [training])
    assert found is not None
    assert sum(each.num for each in found.measured.values()) == 1


def test_copies_other_networks_and_other_numbers_of_processes_do_not_count(
    records: Callable[..., None], journal: Journal, training: str
) -> None:
    records(0, [1.0, 1.0], tags={vocabulary.COPIED_FROM: "a run"})
    records(1, [1.0, 1.0], tags={vocabulary.PROCESSES: "2"})
    assert measured_here(journal, [training]) is None
    assert measured_here(journal, ["another"], processes=2) is None
    found = measured_here(journal, [training], processes=2)
    assert found is not None
    assert found.num_cells == 1


def test_epochs_that_another_cell_trained_do_not_count(
    records: Callable[..., None], journal: Journal, training: str, todo: Plan
) -> None:
    records(0, [5.0, 5.0, 1.0, 1.0])
    cell = describe(todo.todo[0], todo.study, tags={}).cell
    journal.append(cell, [Point(vocabulary.INHERITED_EPOCHS, 3, 2, 0)])
    found = measured_here(journal, [training])
    assert found is not None
    assert {kind.binary: each.num for kind, each in found.measured.items()} == {2: 1}


def test_a_cell_of_one_epoch_is_better_than_none(
    records: Callable[..., None], journal: Journal, training: str
) -> None:
    records(0, [3.0])
    found = measured_here(journal, [training])
    assert found is not None
    assert found.measured[Kind(training, 1)].mean == 3.0


def _recorded(todo: Plan, number: int, seconds: float, **tags: str) -> RecordedCell:
    train = json.dumps(todo.todo[number].train.to_mapping())
    all_tags = {vocabulary.TRAIN: train, vocabulary.STATE: "finished", **tags}
    return recorded_cell(
        all_tags, run_id="r", name="a", params={}, metrics={"epoch_s": seconds}, ended_ms=number
    )


def test_cells_of_others_count_with_their_last_epoch(todo: Plan, training: str) -> None:
    cells = [_recorded(todo, 0, 2.0), _recorded(todo, 1, 4.0)]
    broken = replace(cells[0], train="{cut")
    found = measured_there([*cells, broken], [training])
    assert found is not None
    assert (found.num_cells, found.where) == (2, "in this store")
    assert found.measured[Kind(training, 2)].mean == 3.0
    assert measured_there(cells, ["another"]) is None
    assert measured_there([_recorded(todo, 0, float("nan"))], [training]) is None


def test_this_home_comes_before_the_store(
    records: Callable[..., None], journal: Journal, todo: Plan
) -> None:
    cells = [_recorded(todo, 0, 2.0)]
    assert basis_for(todo, journal, cells, processes=1).where == "in this store"
    assert basis_for(todo, None, cells, processes=1).num_cells == 1
    assert basis_for(todo, None, [], processes=1).num_cells == 0
    records(0, [1.0, 1.0])
    assert basis_for(todo, journal, cells, processes=1).where == "here"
