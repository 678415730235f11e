"""The rough idea of how long trials take."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.planning.cost import duration, rough_seconds
from orchestrator.study.catalog import load_study
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from trainers.spec.train_spec import TrainSpec


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (89, "89 s"),
        (12 * 60, "12 min"),
        (89 * 60, "89 min"),
        (3.5 * 3600, "3.5 h"),
        (47 * 3600, "47.0 h"),
        (4 * 86400, "4 d"),
        (3650 * 86400, "10 years"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.fixture
def seconds(cells: tuple[Cell, ...]) -> Callable[..., float]:
    """Of the first cell, on one core, with some of its parts replaced."""

    def of(**changes: Any) -> float:
        train = TrainSpec.from_mapping(cells[0].train.to_mapping() | changes)
        return rough_seconds([replace(cells[0], train=train)], num_cores=1)

    return of


def test_twice_the_epochs_take_twice_as_long(seconds: Callable[..., float]) -> None:
    assert seconds(epochs=20) == pytest.approx(2 * seconds(epochs=10))
    assert seconds(epochs=10) > 0


def test_cores_share_the_trials(cells: tuple[Cell, ...]) -> None:
    alone = rough_seconds(cells, num_cores=1)
    assert rough_seconds(cells, num_cores=4) == pytest.approx(alone / 4)
    assert alone == pytest.approx(sum(rough_seconds([cell], num_cores=1) for cell in cells))


def test_smaller_batches_and_wider_layers_take_longer(seconds: Callable[..., float]) -> None:
    data = {"name": "digits", "batch_size": 8}
    assert seconds(data=data) > 2 * seconds()
    wide = {"name": "mlp", "widths": [64, 4096, 10]}
    assert seconds(model=wide) > 2 * seconds()


def test_the_published_study_takes_minutes_to_hours_on_two_cores() -> None:
    study_seconds = rough_seconds(expand(load_study("mnist300-orders")), num_cores=2)
    assert 5 * 60 < study_seconds < 5 * 3600


def test_all_stages_take_their_time(seconds: Callable[..., float]) -> None:
    staged = seconds(epochs=10, before={"epochs": 20})
    assert staged == pytest.approx(seconds(epochs=10) + seconds(epochs=20))
