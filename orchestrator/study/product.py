"""Multiplies the axes of a study out into cells, and checks each; pure."""

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from orchestrator.study.axes import Axis, Value
from orchestrator.study.cells import Cell
from orchestrator.study.overrides import set_path
from trainers.errors import Fault, SpecError
from trainers.spec.train_spec import TrainSpec


def multiplied(
    axes: Sequence[Axis], base: Mapping[str, Any], *, epoch_scale: str
) -> tuple[Cell, ...]:
    """All cells that the axes span, the last axis varying fastest; of a range its ends.

    Args:
        axes: The axes, slowest first.
        base: The base trial as plain values.
        epoch_scale: Factor on all epochs as decimal text; empty: none.

    Raises:
        SpecError: With every fault of every trial.
    """
    points = [axis.extremes() for axis in axes]
    cells = [
        (
            {axis.name: label for axis, label in zip(axes, labels, strict=True)},
            [point[label] for point, label in zip(points, labels, strict=True)],
        )
        for labels in itertools.product(*points)
    ]
    specs: list[tuple[Mapping[str, str], TrainSpec]] = []
    faults: dict[Fault, None] = {}
    for labels, chosen in cells:
        try:
            specs.append((labels, spec_at(base, chosen)))
        except SpecError as error:
            places = [f"axes.{axis}" for axis in labels if len(axes) == 1] or ["base"]
            name = ", ".join(f"{axis}={label}" for axis, label in labels.items())
            for fault in error.under(f"{places[0]} at {name}"):
                faults[fault] = None
    if faults:
        raise SpecError(*_without_repeats(faults))
    return scaled(specs, epoch_scale=epoch_scale)


def spec_at(base: Mapping[str, Any], points: Iterable[Value]) -> TrainSpec:
    """The trial at a point: the base with what each axis sets.

    Raises:
        SpecError: If the trial is not valid.
    """
    mapping: dict[Any, Any] = copy.deepcopy(dict(base))
    for point in points:
        for path, value in point.items():
            # A copy, because another axis may change something inside the value.
            set_path(mapping, path.split("."), copy.deepcopy(value))
    return TrainSpec.from_mapping(mapping)


def scaled(
    specs: Iterable[tuple[Mapping[str, str], TrainSpec]], *, epoch_scale: str
) -> tuple[Cell, ...]:
    """The cells of trials whose epochs are scaled.

    Args:
        specs: Labels and trials.
        epoch_scale: Factor as decimal text; empty: none.
    """
    specs = list(specs)
    if epoch_scale:
        scale = scaled_epochs(epoch_scale)
        # Every layer that turns binary in a full trial must do so in the scaled one, and the
        # controls of a study must train as long as its layer-by-layer trials.
        least = max(_least_epochs(spec, scale) for _, spec in specs)
        specs = [(labels, spec.scaled(scale, least_epochs=least)) for labels, spec in specs]
    return tuple(
        Cell(train=spec, labels=labels, epoch_scale=epoch_scale) for labels, spec in specs
    )


def scaled_epochs(scale: str) -> Callable[[int], int]:
    """A function that scales a number of epochs, rounded up, at least 1.

    Args:
        scale: The factor as decimal text; computed exactly, so that 0.07 of 100 epochs is 7.
    """
    factor = Fraction(scale)
    return lambda epochs: max(1, math.ceil(epochs * factor))


def _least_epochs(spec: TrainSpec, scale: Callable[[int], int]) -> int:
    per_layer = spec.layers.epochs_per_layer
    if not per_layer:
        return 1
    return (spec.layers.num_binary_at(spec.epochs - 1) - 1) * scale(per_layer) + 1


def _without_repeats(faults: Iterable[Fault]) -> list[Fault]:
    """Drops repeats: every trial has the base's faults, so only the first one shows them."""
    shown: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        shown.setdefault((fault.path.rpartition(".")[2], fault.what), fault)
    return list(shown.values())
