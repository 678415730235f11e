"""What a matrix shows: names that exist, axes that exist, test values only where there are any."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.study.axes import Axis
from orchestrator.study.shown import (
    MatrixShape,
    Metric,
    control_faults,
    read_shown,
    with_control_left,
)

STUDY: dict[str, Any] = {
    "metric": {"name": "selected/validation_error"},
    "matrix": {"rows": "order", "over": "seed", "also": ["last/validation_error"]},
}


def _read(
    *, has_test: bool = True, **changes: object
) -> tuple[Metric | None, MatrixShape | None, list[str]]:
    metric, matrix, faults = read_shown(STUDY | changes, axes=["order", "seed"], has_test=has_test)
    return metric, matrix, [str(fault) for fault in faults]


def test_both_keys_are_read() -> None:
    assert _read(has_test=False) == (
        Metric(name="selected/validation_error", better="lower"),
        MatrixShape(rows="order", over="seed", also=("last/validation_error",)),
        [],
    )


def test_what_is_missing_is_a_fault_of_its_key() -> None:
    metric, matrix, faults = _read(metric={}, matrix={})
    assert metric is matrix is None
    assert [fault.partition(":")[0] for fault in faults] == ["metric.name", "matrix.rows"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metric": {"name": "selected/test_eror"}}, "did you mean 'selected/test_error'"),
        ({"matrix": {"rows": "ordr"}}, "unknown axis 'ordr', did you mean 'order'"),
        ({"matrix": {"rows": "order", "over": "width"}}, "matrix.over: unknown axis 'width'"),
        ({"matrix": {"rows": "order", "also": ["x"]}}, "matrix.also: unknown metric 'x'"),
    ],
)
def test_unknown_names_come_with_their_neighbours(changes: dict[str, Any], expected: str) -> None:
    (fault,) = _read(**changes)[2]
    assert expected in fault


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"margin": 0.5}, "matrix.margin: says how much worse than the control a row may be, but"),
        ({"control": "float", "margin": 0}, "matrix.margin: must be positive, got 0"),
        ({"control": "float", "over": None}, "matrix.control: is compared over the values of an"),
        ({"sort": "effect"}, "matrix.sort: effect is the difference to a control, but there is"),
        ({"sort": "efect"}, "matrix.sort: unknown value the text 'efect', did you mean"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(
    changes: dict[str, Any], expected: str
) -> None:
    (fault,) = _read(matrix=STUDY["matrix"] | changes)[2]
    assert fault.startswith(expected)


def test_the_control_is_a_row_of_the_only_axis_beside_seeds() -> None:
    rows = Axis(name="order", points={"float": {}, "forward": {}}, controls=("float",))
    seeds = Axis(name="seed", points={"1": {}})
    shape = MatrixShape(rows="order", over="seed", control="float", margin=0.5)

    def told(control: str, *axes: Axis) -> list[str]:
        return [str(fault) for fault in control_faults(replace(shape, control=control), axes)]

    assert told("float", rows, seeds) == []
    (fault,) = told("flaot", rows, seeds)
    assert fault.startswith("matrix.control: unknown row 'flaot', did you mean 'float'")
    (fault,) = told("float", rows, seeds, Axis(name="width", points={"1": {}}))
    assert "axis width makes rows of its own" in fault


@pytest.mark.parametrize(
    ("control", "changed", "left"),
    [
        ("binary", ["axes.order.controls"], None),
        ("float", ["axes.order.controls"], "float"),
        # A file that names a row which it lacks, and a typo on the command line, are wrong.
        ("binary", [], "binary"),
        ("binary", ["base.epochs"], "binary"),
        ("binary", ["axes.order.controls", "matrix.control"], "binary"),
    ],
)
def test_a_control_that_changed_axes_lack_is_no_control(
    control: str, changed: list[str], left: str | None
) -> None:
    axes = [
        Axis(name="order", points={"float": {}, "forward": {}}, controls=("float",)),
        Axis(name="seed", points={"1": {}}),
    ]
    shape = MatrixShape(rows="order", over="seed", control=control, margin=0.5, sort="effect")
    found = with_control_left(shape, axes, changed)
    without = replace(shape, control=None, margin=None, sort="study")
    assert found == (replace(shape, control=left) if left else without)


def test_trials_that_leave_out_the_test_part_have_no_test_error_to_show() -> None:
    shown = {
        "metric": {"name": "selected/test_error"},
        "matrix": {"rows": "order", "also": ["best_on_test/epoch", "selected/validation_error"]},
    }
    assert _read(**shown)[2] == []
    faults = _read(has_test=False, **shown)[2]
    assert [fault.partition(":")[0] for fault in faults] == ["metric.name", "matrix.also"]
    assert all("base.measure_test is false" in fault for fault in faults)
