"""Axes over orders of layers: permutations, single layers, and the controls beside them."""

import itertools
import math
from collections.abc import Mapping, Sequence

from orchestrator.study.orders import RANDOM, named_order, network_orders
from orchestrator.study.points import Base, Value
from trainers.binding import show
from trainers.errors import Fault, SpecError, UnknownNameError, did_you_mean

ORDER = "layers.order"
MAX_PERMUTATIONS = 720
CONTROLS = ("float", "binary")


def read_permutations(
    value: object, sets: str | None, base: Base
) -> dict[str, Mapping[str, Value]]:
    """The orders of the form `permutations`: `all`, or a list of names and numbers.

    Raises:
        SpecError: With every fault, paths relative to the entry.
    """
    _wants_order(sets)
    layers = base.layers
    if not layers:
        raise SpecError("cannot be counted: the base trial's model is not right")
    if value == "all":
        count = math.factorial(len(layers))
        if count > MAX_PERMUTATIONS:
            what = f"{len(layers)} layers have {count:,} orders, more than {MAX_PERMUTATIONS}"
            raise SpecError(Fault("", what, "name some: [forward, reverse, ...]"))
        orders = list(itertools.permutations(range(1, len(layers) + 1)))
        # Forward and reverse are what a reader looks for first.
        ranked = [orders[0], *([orders[-1]] if count > 1 else []), *orders[1:-1]]
        return {"points": {order_label(order): _order_point(order, layers) for order in ranked}}
    if not isinstance(value, list):
        raise SpecError(f"expected all, or a list of orders such as [forward, 132]; got {value!r}")
    points: dict[str, Value] = {}
    faults: list[Fault] = []
    for index, item in enumerate(value):
        try:
            label, order = _permutation(item, base)
        except SpecError as error:
            faults.extend(error.under(str(index)))
            continue
        if label in points:
            faults.append(Fault(str(index), f"the order {show(item)} appears twice"))
        points[label] = _order_point(order, layers)
    if faults:
        raise SpecError(*faults)
    return {"points": points}


def _permutation(item: object, base: Base) -> tuple[str, tuple[int, ...]]:
    """Label and layer numbers of an order; looks in `given`, the network's names, the numbers."""
    if isinstance(item, str) and item in base.orders:
        order = base.orders[item]
        if len(order) != len(base.layers):
            what = f"the order given for {item} has {len(order)} layers, not {len(base.layers)}"
            raise SpecError(what)
        return item, order
    if base.network is not None and isinstance(item, str | int):
        name = str(item)
        if name in network_orders(base.network).names or name.startswith(RANDOM):
            return name, named_order(base.network, name)
    order = named_permutation(item, len(base.layers))
    return order_label(order), order


def named_permutation(name: object, num_layers: int) -> tuple[int, ...]:
    """Turns a name such as forward, 132 or 3-1-2, or a list of numbers, into an order.

    Raises:
        SpecError: If it is not an order of all layers.
    """
    forward = tuple(range(1, num_layers + 1))
    if name in ("forward", "reverse"):
        return forward if name == "forward" else forward[::-1]
    if isinstance(name, list):
        digits = [str(item) for item in name]
    else:
        digits = str(name).split("-") if "-" in str(name) else list(str(name))
    order = tuple(int(digit) if digit.isdecimal() else 0 for digit in digits)
    if tuple(sorted(order)) != forward:
        near = did_you_mean(name, ("forward", "reverse"))
        what = f"{show(name)} is no order of layers 1 to {num_layers}{near}"
        raise SpecError(Fault("", what, "known: forward, reverse, or the numbers: 132, 1-3-2"))
    return order


def read_single_layers(
    value: object, sets: str | None, base: Base
) -> dict[str, Mapping[str, Value]]:
    """The layers of the form `single_layers`: each alone is binary, from the first epoch on.

    Raises:
        SpecError: With every fault, paths relative to the entry.
    """
    _wants_order(sets)
    most = len(base.layers)
    if not most:
        raise SpecError("cannot be counted: the base trial's model is not right")
    numbers = range(1, most + 1) if value == "all" else value
    if not isinstance(numbers, list | range) or not numbers:
        raise SpecError(f"expected all, or a list of layer numbers; got {show(value)}")
    points: dict[str, Value] = {}
    faults: list[Fault] = []
    for index, number in enumerate(numbers):
        if type(number) is not int or not 1 <= number <= most:
            what = f"there is no layer {show(number)}"
            faults.append(Fault(str(index), what, f"the model has 1 to {most}"))
        elif str(number) in points:
            faults.append(Fault(str(index), f"the layer {number} appears twice"))
        else:
            order = [base.layers[number - 1]]
            points[str(number)] = {ORDER: order, "layers.epochs_per_layer": 0}
    if faults:
        raise SpecError(*faults)
    return {"points": points}


def order_label(order: Sequence[int]) -> str:
    """forward, reverse, or the layer numbers: 132; with ten layers or more 10-9-1-..."""
    if list(order) == sorted(order):
        return "forward"
    if list(order) == sorted(order, reverse=True):
        return "reverse"
    return ("" if len(order) < 10 else "-").join(str(number) for number in order)


def _order_point(order: Sequence[int], layers: Sequence[str]) -> Value:
    return {ORDER: [layers[number - 1] for number in order]}


def read_controls(value: object, sets: str | None, layers: Sequence[str]) -> Mapping[str, Value]:
    """The controls next to orders: no layer binary, or all from the first epoch on.

    Raises:
        SpecError: With every fault, paths relative to the axis.
    """
    try:
        _wants_order(sets)
    except SpecError as error:
        raise SpecError(*error.under("controls")) from error
    meaning: Mapping[str, Value] = {
        "float": {ORDER: [], "layers.epochs_per_layer": 0},
        "binary": {ORDER: list(layers), "layers.epochs_per_layer": 0},
    }
    if not isinstance(value, list):
        raise SpecError(Fault("controls", f"expected a list, got {show(value)}"))
    faults = [
        fault
        for index, item in enumerate(value)
        if item not in CONTROLS
        for fault in UnknownNameError("control", item, CONTROLS).under(f"controls.{index}")
    ]
    if faults:
        raise SpecError(*faults)
    return {name: meaning[name] for name in value}


def _wants_order(sets: str | None) -> None:
    if sets != ORDER:
        raise SpecError(Fault("", f"is for an axis with sets: {ORDER}, this one sets {sets}"))
