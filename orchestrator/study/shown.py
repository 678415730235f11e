"""The keys `metric` and `matrix`: what a study's matrix shows, and its layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from orchestrator import vocabulary
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
    """

    rows: str
    over: str | None = None
    also: tuple[str, ...] = ()


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
