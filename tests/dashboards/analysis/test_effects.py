"""What each row of an ablation does."""

from collections.abc import Callable

import pytest

from dashboards.analysis.effects import effects
from dashboards.analysis.trials import ViewError
from dashboards.comparison import compare
from dashboards.matrix import matrix_of
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]

ERRORS = {
    "binary 1": 0.30, "binary 2": 0.32, "binary 3": 0.31,
    "forward 1": 0.25, "forward 2": 0.272, "forward 3": 0.26,
    "reverse 1": 0.35, "reverse 2": 0.38, "reverse 3": 0.36,
    "132 1": 0.2,
}  # fmt: skip


def test_rows_are_sorted_by_their_difference_to_the_control(
    three_layers: StudySpec, make_runs: MakeRuns
) -> None:
    matrix = matrix_of(make_runs(ERRORS, three_layers))
    frame = effects(matrix)
    assert list(frame.index) == ["132", "forward", "reverse"]
    assert frame.loc["132", "refusal"] == "1 of 3 seeds"
    found = compare(matrix)
    assert found is not None
    forward = next(one for one in found.differences if one.row == "forward")
    assert tuple(frame.loc["forward", ["mean", "low", "high"]]) == (
        *(forward.mean, forward.low, forward.high),
    )
    assert frame.attrs["control"] == "binary"


def test_without_a_control_there_is_no_effect(make_runs: MakeRuns) -> None:
    with pytest.raises(ViewError, match="tiny lacks a control that the study names"):
        effects(matrix_of(make_runs({"float 1": 0.25})))
