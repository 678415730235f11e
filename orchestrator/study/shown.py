"""The keys `metric` and `matrix`: what a study's matrix shows, and its layout."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from orchestrator import vocabulary
from orchestrator.study.axes import Axis
from trainers.binding import bind_options
from trainers.errors import Fault, SpecError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """The metric that the matrix shows, and which direction is better."""

    name: str
    better: Literal["lower", "higher"] = "lower"


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixShape:
    """The layout of the matrix.

    Args:
        rows: Axis whose labels are the rows.
        over: Axis over which mean and spread are computed; None: one cell for each row.
        also: More metrics whose means are shown as well.
        control: Row that each other one is compared with; named before anything is trained.
        margin: A row that is worse than the control by less than this counts as not worse;
            positive, in points of percent for errors and accuracies, else in the metric's unit.
        sort: Order of the rows. study: as the study lists them; effect: the control, then the row
            with the best mean difference to it, down to the worst.

    Raises:
        SpecError: If the margin is not positive, if it or a sort by effect lacks a control, or if
            a control lacks `over`.
    """

    rows: str
    over: str | None = None
    also: tuple[str, ...] = ()
    control: str | None = None
    margin: float | None = None
    sort: Literal["study", "effect"] = "study"

    def __post_init__(self) -> None:
        """Checks what needs no axes."""
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise SpecError(Fault("margin", f"must be positive, got {self.margin}"))
        if self.margin is not None and self.control is None:
            what = "says how much worse than the control a row may be, but there is none"
            raise SpecError(Fault("margin", what, "name one: control: float"))
        if self.sort == "effect" and self.control is None:
            what = "effect is the difference to a control, but there is none"
            raise SpecError(Fault("sort", what, "name one: control: float"))
        if self.control is not None and self.over is None:
            what = "is compared over the values of an axis, but matrix.over names none"
            raise SpecError(Fault("control", what, "over: seed"))


def read_shown(
    mapping: Mapping[Any, Any], *, axes: Sequence[str], has_test: bool
) -> tuple[Metric | None, MatrixShape | None, list[Fault]]:
    """Reads a study's keys `metric` and `matrix`; None for a key with faults, and all faults.

    Args:
        mapping: The study.
        axes: The names of its axes.
        has_test: Whether its trials measure the test set.
    """
    faults: list[Fault] = []
    metric = _read(mapping, "metric", Metric, "the metric", faults)
    matrix = _read(mapping, "matrix", MatrixShape, "the matrix", faults)
    names = [("metric.name", metric.name)] if metric else []
    names += [("matrix.also", name) for name in matrix.also] if matrix else []
    for path, name in names:
        if name not in vocabulary.METRICS:
            faults += UnknownNameError("metric", name, vocabulary.METRICS).under(path)
        elif not has_test and name in vocabulary.TEST_METRICS:
            what = f"'{name}' needs the test set, but base.measure_test is false"
            faults.append(Fault(path, what, "selected/validation_error does not need it"))
    for key in ("rows", "over"):
        axis = getattr(matrix, key, None)
        if axis is not None and axis not in axes:
            faults += UnknownNameError("axis", axis, axes).under(f"matrix.{key}")
    return metric, matrix, faults


def control_faults(matrix: MatrixShape, axes: Sequence[Axis]) -> list[Fault]:
    """Returns the faults of the control: it must be one row, and rows must be of one axis.

    Args:
        matrix: The layout of the matrix.
        axes: The axes without faults.
    """
    rows = next((axis for axis in axes if axis.name == matrix.rows), None)
    if matrix.control is None or rows is None:
        return []
    others = [axis.name for axis in axes if axis.name not in (matrix.rows, matrix.over)]
    if others:
        what = f"wants rows of one axis, but axis {others[0]} makes rows of its own"
        return [Fault("matrix.control", what, "remove it")]
    if matrix.control not in rows.points:
        return list(UnknownNameError("row", matrix.control, rows.points).under("matrix.control"))
    return []


def with_control_left(
    matrix: MatrixShape, axes: Sequence[Axis], changed: Collection[str]
) -> MatrixShape:
    """The layout without the control that a file names, if changed axes lack it.

    Args:
        matrix: The layout of the matrix.
        axes: The axes without faults.
        changed: Paths of keys that are not as in the file.
    """
    has_other_rows = any(p.partition(".")[0] == "axes" or p == "matrix.rows" for p in changed)
    is_asked_for = {"matrix", "matrix.control"} & set(changed)
    if not has_other_rows or is_asked_for or not control_faults(matrix, axes):
        return matrix
    return replace(matrix, control=None, margin=None, sort="study")


def _read(
    mapping: Mapping[Any, Any],
    key: str,
    made: Callable[..., T],
    owner: str,
    faults: list[Fault],
) -> T | None:
    try:
        return made(**bind_options(made, mapping.get(key, {}), owner=owner))
    except SpecError as error:
        faults += error.under(key)
        return None
