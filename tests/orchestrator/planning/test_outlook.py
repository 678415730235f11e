"""How long a plan will take, and what that rests on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.planning.outlook import (
    START_S,
    Basis,
    expected,
    forecast_of,
    probing,
    rough_pace,
    todos,
)
from orchestrator.planning.paces import Measured, kinds_of
from orchestrator.planning.planning import Plan, plan
from orchestrator.planning.workload import Kind
from orchestrator.study.spec import StudySpec


def _basis(todo: Plan, seconds: float) -> Basis:
    """Ten epochs of each kind that the first network has."""
    training = next(iter(todo.works.values()))[0].kind.training
    kinds = [kind for kind in kinds_of(todo.works.values()) if kind.training == training]
    measured = {kind: Measured(10, 10 * seconds) for kind in kinds}
    return Basis(measured=measured, num_cells=2)


def test_without_a_measured_epoch_it_is_a_rough_idea(study: StudySpec) -> None:
    found = expected(plan(study), slots=2, basis=Basis())
    assert found.is_rough
    assert found.is_known
    assert found.basis == "a rough idea: nothing like it was measured before"
    assert found.seconds > START_S
    on_gpus = expected(plan(study), slots=2, basis=Basis(), gpus=1)
    assert not on_gpus.is_known


def test_measured_epochs_are_what_it_rests_on(study: StudySpec) -> None:
    # Eight cells of two epochs; two of them are begun by another one, after its first epoch.
    todo = plan(study, share=False)
    found = expected(todo, slots=2, basis=_basis(todo, 3.0), gpus=0.5)
    assert found.seconds == pytest.approx(START_S + 8 * 2 * 3 / 2)
    assert found.trial_seconds == pytest.approx(8 * 2 * 3)
    assert found.gpu_hours == pytest.approx(8 * 2 * 3 / 2 / 3600)
    assert found.basis == "from 30 epochs of 2 cells measured here"
    assert not found.is_rough


def test_a_network_that_was_not_measured_makes_it_rough_in_part(
    make_study: Callable[..., StudySpec],
) -> None:
    axis = {
        "name": "width",
        "sets": "model.widths",
        "values": {"narrow": [64, 8, 10], "wide": [64, 99, 10]},
    }
    axes = [axis, {"name": "seed", "seeds": [1, 2]}]
    todo = plan(make_study(axes=axes, matrix={"rows": "width", "over": "seed"}))
    found = expected(todo, slots=1, basis=_basis(todo, 3.0))
    assert found.basis.endswith(", in part a rough idea")
    first = probing(todo)
    assert [cell.labels["width"] for cell in first] == ["wide", "narrow", "narrow", "wide"]
    assert sorted(cell.id for cell in first) == sorted(cell.id for cell in todo.todo)


def test_cells_of_one_network_stay_in_the_order_of_the_study(study: StudySpec) -> None:
    assert probing(plan(study)) == plan(study).todo


def test_a_shared_beginning_is_counted_once(
    make_mapping: Callable[..., dict[str, Any]], make_study: Callable[..., StudySpec]
) -> None:
    base = make_mapping()["base"] | {
        "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
        "layers": {"order": [1, 2, 3], "epochs_per_layer": 4},
        "epochs": 12,
    }
    shared, alone = plan(make_study(base=base)), plan(make_study(base=base), share=False)
    basis = _basis(shared, 1.0)
    for todo in (shared, alone):
        total = expected(todo, slots=1, basis=basis)
        assert total.trial_seconds == pytest.approx(todo.epochs_todo)
        assert total.seconds == pytest.approx(START_S + todo.epochs_todo)
    found = todos(shared, lambda cell: cell.id)
    for key, start in shared.starts.items():
        assert (found[key].begins, found[key].after) == (start.begins, start.carrier)


def test_a_search_is_an_upper_bound(make_search: Callable[..., StudySpec]) -> None:
    study = make_search()
    todo = plan(study, finished=["a"])
    found = expected(todo, slots=4, basis=_basis(todo, 1.0))
    assert found.trial_seconds == pytest.approx(4 * study.most_epochs)
    forecast = forecast_of(todo, key=lambda cell: cell.id, slots=lambda: 4, basis=Basis())
    assert forecast.num_undrawn == 4
    assert not forecast.waiting


def test_cores_of_a_trial_share_its_work(study: StudySpec) -> None:
    todo = plan(study)
    kind = next(iter(todo.works.values()))[0].kind
    assert rough_pace(todo, cpus=2)(kind) == pytest.approx(rough_pace(todo)(kind) / 2)
    # Of a network that only a search draws.
    assert rough_pace(todo)(Kind("another", 0)) > 0


def test_a_binary_layer_makes_an_epoch_a_little_longer(study: StudySpec) -> None:
    todo = plan(study)
    kind = next(iter(todo.works.values()))[0].kind
    none, one, two = (rough_pace(todo)(replace(kind, binary=num)) for num in (0, 1, 2))
    assert none < one < two < 2 * none
    assert two - one == pytest.approx(one - none)


def test_the_first_cell_of_a_network_has_had_most_numbers_of_binary_layers(
    make_study: Callable[..., StudySpec],
) -> None:
    axes = [
        {
            "name": "width",
            "sets": "model.widths",
            "values": {"narrow": [64, 8, 10], "wide": [64, 99, 10]},
        },
        {"name": "order", "sets": "layers.order", "permutations": "all", "controls": ["float"]},
        {"name": "seed", "seeds": [1]},
    ]
    todo = plan(make_study(axes=axes, matrix={"rows": "order", "over": "seed"}))
    first = [(cell.labels["width"], cell.labels["order"]) for cell in probing(todo)]
    assert first[:3] == [("wide", "forward"), ("narrow", "forward"), ("narrow", "float")]
    assert len(set(first)) == len(todo.todo) == 6
