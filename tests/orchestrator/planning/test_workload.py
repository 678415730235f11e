"""What epochs cost depends on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.planning.workload import Kind, Stretch, kind_at, part, training_of, work_of
from orchestrator.study.catalog import load_study
from orchestrator.study.spec import StudySpec

TRAIN: dict[str, Any] = {
    "model": {"name": "mlp"},
    "data": {"name": "digits", "batch_size": 32},
    "optimizer": {"name": "adam", "lr": 0.1},
    "weights": {"name": "sign"},
    "layers": {"order": ["fc1", "fc2", "fc3"], "epochs_per_layer": 4},
    "epochs": 20,
    "seed": 1,
}


def _sizes(train: dict[str, Any]) -> list[tuple[int, int]]:
    return [(stretch.kind.binary, stretch.epochs) for stretch in work_of(train)]


@pytest.mark.parametrize(
    ("layers", "epochs", "sizes"),
    [
        ({"order": ["a", "b", "c"], "epochs_per_layer": 4}, 20, [(1, 4), (2, 4), (3, 12)]),
        ({"order": ["a", "b"], "epochs_per_layer": 4}, 5, [(1, 4), (2, 1)]),
        ({"order": ["a", "b"], "epochs_per_layer": 0}, 5, [(2, 5)]),
        ({"order": []}, 5, [(0, 5)]),
    ],
)
def test_layers_turn_binary_one_after_another(
    layers: dict[str, Any], epochs: int, sizes: list[tuple[int, int]]
) -> None:
    assert _sizes(TRAIN | {"layers": layers, "epochs": epochs}) == sizes


def test_stretches_agree_with_the_schedule_of_the_layers(study: StudySpec) -> None:
    for cell in (*study.trials, *load_study("mnist300-orders").trials):
        work, layers = work_of(cell.train.to_mapping()), cell.train.layers
        assert sum(stretch.epochs for stretch in work) == cell.train.all_epochs
        for epoch in range(0, cell.train.epochs, 7):
            assert kind_at(work, epoch).binary == len(layers.binarized_at(epoch))


def test_stages_before_come_first() -> None:
    before = TRAIN | {"layers": {"order": []}, "epochs": 3, "data": {"name": "mnist"}}
    work = work_of(TRAIN | {"before": before})
    assert [stretch.epochs for stretch in work] == [3, 4, 4, 12]
    assert work[0].kind.training != work[1].kind.training


def test_seeds_rates_and_orders_cost_the_same_and_networks_and_batches_do_not() -> None:
    same = [
        {"seed": 2},
        {"optimizer": {"name": "adam", "lr": 0.5}},
        {"layers": {"order": ["fc3"]}},
        {"epochs": 9},
    ]
    other = [
        {"model": {"name": "conv"}},
        {"data": {"name": "digits", "batch_size": 64}},
        {"optimizer": {"name": "sgd", "lr": 0.1}},
        {"precision": "bfloat16"},
    ]
    first = training_of(TRAIN)
    assert {training_of(TRAIN | change) for change in same} == {first}
    assert first not in {training_of(TRAIN | change) for change in other}


def test_a_part_has_the_epochs_from_one_to_another() -> None:
    a, b = Kind("a", 0), Kind("b", 0)
    work = (Stretch(a, 4), Stretch(b, 6))
    assert part(work, 0) == work
    assert part(work, 3) == (Stretch(a, 1), Stretch(b, 6))
    assert part(work, 4, 6) == (Stretch(b, 2),)
    assert part(work, 10) == part(work, 7, 5) == ()
    assert (kind_at(work, 3), kind_at(work, 4), kind_at(work, 99)) == (a, b, b)


def test_a_recorded_trial_has_the_work_of_the_cell(
    make_study: Callable[..., StudySpec],
) -> None:
    cell = make_study().trials[0]
    again = dataclasses.replace(cell.train, seed=99)
    assert work_of(again.to_mapping()) == work_of(cell.train.to_mapping())
