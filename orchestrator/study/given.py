"""Results that a study takes from an earlier one: measured orders, and values for single rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.study.axes import Axis
from orchestrator.study.points import Value
from trainers.binding import convert, show
from trainers.errors import Fault, SpecError, UnknownNameError, unknown_keys

_KNOWN = ("orders", "rows")


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Results of an earlier study that a later one uses.

    Args:
        orders: Name in `permutations` to layer numbers, counted from 1; they take precedence over
            published orders of the same name.
        rows: Row label to key paths and values that the row sets in addition to its axis, such as
            the best learning rate for that row.
    """

    orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rows: Mapping[str, Value] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether it holds any order or row."""
        return bool(self.orders or self.rows)

    def to_mapping(self) -> dict[str, Any]:
        """As a study file writes it."""
        return {
            "orders": {name: list(order) for name, order in self.orders.items()},
            "rows": {label: dict(point) for label, point in self.rows.items()},
        }


def read_given(value: object) -> Given:
    """Reads a study file's key `given`.

    Raises:
        SpecError: With every fault, paths relative to the key.
    """
    if not isinstance(value, Mapping):
        raise SpecError(f"expected {{orders: ..., rows: ...}}, got {show(value)}")
    faults = unknown_keys(value, _KNOWN)
    orders: dict[str, tuple[int, ...]] = {}
    rows: dict[str, Value] = {}
    for key in _KNOWN:
        entries = value.get(key, {})
        if not isinstance(entries, Mapping):
            faults.append(Fault(key, f"expected a mapping by name, got {show(entries)}"))
            continue
        for name, entry in entries.items():
            try:
                if key == "orders":
                    orders[str(name)] = _order(entry)
                else:
                    rows[str(name)] = _row(entry)
            except SpecError as error:
                faults.extend(error.under(f"{key}.{name}"))
    if faults:
        raise SpecError(*faults)
    return Given(orders=orders, rows=rows)


def with_rows(axis: Axis, given: Given) -> Axis:
    """Adds the given values to each row of the axis.

    Raises:
        SpecError: If the axis lacks a given row.
    """
    faults = [
        fault
        for label in given.rows
        if label not in axis.points
        for fault in UnknownNameError("row", label, axis.points).under(f"rows.{label}")
    ]
    if faults:
        raise SpecError(*faults)
    points = {
        label: {**point, **given.rows.get(label, {})} for label, point in axis.points.items()
    }
    return replace(axis, points=points)


def _order(value: object) -> tuple[int, ...]:
    read = convert(value, tuple[int, ...])
    assert isinstance(read, tuple)
    order = tuple(int(str(number)) for number in read)
    if sorted(order) != list(range(1, len(order) + 1)):
        what = f"{show(value)} is no order of layers 1 to {len(order)}"
        raise SpecError(Fault("", what, "such as [3, 1, 2]"))
    return order


def _row(value: object) -> Value:
    if isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value):
        return dict(value)
    hint = "such as {optimizer.lr: 0.01}"
    raise SpecError(Fault("", f"expected key paths and values, got {show(value)}", hint))
