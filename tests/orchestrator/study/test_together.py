"""A study's key `trial`: how many processes train each trial."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.study.spec import StudySpec
from orchestrator.study.together import Together
from trainers.errors import SpecError


def test_a_trial_is_trained_by_one_process_unless_the_study_says_more(
    make_study: Callable[..., StudySpec],
) -> None:
    assert make_study().together == Together(processes=1, timeout_s=600)
    study = make_study(trial={"processes": 4, "timeout_s": 60})
    assert study.together == Together(processes=4, timeout_s=60)


def test_the_number_of_processes_is_no_part_of_trial_and_variant(
    make_study: Callable[..., StudySpec],
) -> None:
    one, two = make_study(), make_study(trial={"processes": 2})
    assert one.key == two.key
    assert [cell.id for cell in one.trials] == [cell.id for cell in two.trials]


@pytest.mark.parametrize(
    ("value", "path", "what"),
    [
        ({"processes": 0}, "trial.processes", "must be 1 or more, got 0"),
        ({"processes": 1.5}, "trial.processes", "expected a whole number"),
        ({"timeout_s": 0}, "trial.timeout_s", "must be 1 or more"),
        ({"process": 2}, "trial.process", "did you mean 'processes'"),
        (2, "trial", "expected a mapping"),
    ],
)
def test_a_bad_value_is_a_fault_at_its_key(
    value: Any, path: str, what: str, make_study: Callable[..., StudySpec]
) -> None:
    with pytest.raises(SpecError, match=what) as raised:
        make_study(trial=value)
    assert [fault.path for fault in raised.value.faults] == [path]
