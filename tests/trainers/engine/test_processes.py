"""Trials that two processes train together: what one process finds, up to rounding."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest
import torch

from tests.support.two_processes import (
    CASES,
    Result,
    first_of_two,
    forget_last,
    goes_on,
    trained_alone,
    trained_by_two,
)
from trainers.engine.ranks import ALONE

NEAR = 1e-9


class Found(NamedTuple):
    """What one process found, and what each of two did."""

    alone: Mapping[str, Result]
    first: Mapping[str, Result]
    second: Mapping[str, Result]
    again: Result


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """All cases, trained once: one pair of processes serves every test of this file."""
    folder = tmp_path_factory.mktemp("two")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = trained_alone(folder)
        forget_last(folder / "reset-1")
        with first_of_two(folder) as ranks:
            first = trained_by_two(ranks, folder)
        forget_last(folder / "reset-2")
        again = goes_on("reset", ALONE, folder / "reset-2")
    finally:
        torch.set_num_threads(threads)
    return Found(alone, first, torch.load(folder / "second.pt", weights_only=True), again)


def _apart(one: Result, other: Result) -> float:
    """The largest difference between weights, statistics and scores of two results."""
    assert one["state"].keys() == other["state"].keys()
    pairs = [(one["state"][name], other["state"][name]) for name in one["state"]]
    pairs += [(one[name], other[name]) for name in ("scores", "centers") if name in one]
    return max((left.double() - right.double()).abs().max().item() for left, right in pairs)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_find_what_one_finds(case: str, found: Found) -> None:
    assert _apart(found.first[case], found.alone[case]) <= NEAR


@pytest.mark.parametrize("case", [*CASES, "resumed"])
def test_both_processes_end_with_the_same_bits(case: str, found: Found) -> None:
    assert _apart(found.first[case], found.second[case]) == 0


def test_another_number_of_processes_goes_on_with_a_trial(found: Found) -> None:
    for rest in (found.first["resumed"], found.again):
        assert _apart(rest, found.alone["reset"]) <= NEAR


def test_only_the_first_process_reports(found: Found) -> None:
    for name in ("reset", "stages", "resumed"):
        assert (found.first[name]["heard"], found.second[name]["heard"]) == (2, 0)
