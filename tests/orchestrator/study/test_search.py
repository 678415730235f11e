"""Searchers and schedulers as records: what they take and refuse."""

from dataclasses import fields
from typing import Any

import pytest

from orchestrator.study.search import (
    EPOCH_OPTIONS,
    SCHEDULERS,
    SEARCHERS,
    AshaScheduler,
    MedianScheduler,
    OptunaSearch,
    RandomSearch,
)
from trainers.binding import bind
from trainers.errors import SpecError


def test_the_tables_hold_every_record() -> None:
    assert dict(SEARCHERS) == {"optuna": OptunaSearch, "random": RandomSearch}
    assert dict(SCHEDULERS) == {"asha": AshaScheduler, "median": MedianScheduler}


@pytest.mark.parametrize("record", [OptunaSearch, RandomSearch])
@pytest.mark.parametrize("options", [{"num_samples": 0}, {"num_samples": 1, "seed": -1}])
def test_a_searcher_draws_once_or_more(record: type, options: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=r"must be [01] or more, got"):
        record(**options)
    assert record(num_samples=1).num_samples == 1


@pytest.mark.parametrize(
    ("record", "options"),
    [
        (AshaScheduler, {"grace_period": 0}),
        (AshaScheduler, {"reduction_factor": 1}),
        (MedianScheduler, {"grace_period": 0}),
        (MedianScheduler, {"min_samples": 0}),
    ],
)
def test_a_scheduler_lets_every_trial_begin(record: type, options: dict[str, int]) -> None:
    (name,) = options
    with pytest.raises(SpecError, match=f"{name}: must be"):
        record(**options)


def test_all_numbers_that_are_wrong_are_named() -> None:
    with pytest.raises(SpecError, match="grace_period") as raised:
        AshaScheduler(grace_period=0, reduction_factor=0)
    assert len(raised.value.faults) == 2


@pytest.mark.parametrize("table", [SEARCHERS, SCHEDULERS])
def test_every_record_can_be_chosen_by_name(table: Any) -> None:
    for name, record in table.items():
        needed = {"num_samples": 3} if table is SEARCHERS else {}
        component = bind("part", table, {"name": name, **needed})
        assert isinstance(table[component.name](**component.options), record)


def test_options_that_count_epochs_are_options_of_every_scheduler() -> None:
    for record in (AshaScheduler, MedianScheduler):
        assert {field.name for field in fields(record)} >= EPOCH_OPTIONS
