"""Multiplies the axes of a study out into cells, and checks each; pure."""

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from orchestrator.study.axes import Axis
from orchestrator.study.cells import Cell
from orchestrator.study.overrides import set_path
from orchestrator.study.points import Value
from trainers.errors import Fault, SpecError
from trainers.spec.train_spec import TrainSpec

MOST_CELLS = 100_000
"""Most trials that are checked before the first one begins."""
MOST_STEPS = 3
"""How far from the ends of a range of whole numbers a trial is looked for."""

_Labelled = tuple[Mapping[str, str], TrainSpec]


def multiplied(
    axes: Sequence[Axis], base: Mapping[str, Any], *, epoch_scale: str
) -> tuple[Cell, ...]:
    """All cells that the axes span, the last axis varying fastest; of a range its ends.

    Of a search, ends and choices that only some others go with are left out: a draw that cannot
    be a trial costs that draw alone.

    Args:
        axes: The axes, slowest first.
        base: The base trial as plain values.
        epoch_scale: Factor on all epochs as decimal text; empty: none.

    Raises:
        SpecError: With every fault of every trial. For a search: of all trials of a choice or an
            end with which no trial can be; of a range of whole numbers one good end is enough.
    """
    is_search = any(axis.searched for axis in axes)
    num_cells = math.prod(len(axis.extremes()) for axis in axes)
    if num_cells > MOST_CELLS and not is_search:
        what = f"span {num_cells:,} trials, more than {MOST_CELLS:,}"
        raise SpecError(Fault("axes", what, "split them into several studies"))
    specs, faulty = _checked(axes, base, [axis.extremes() for axis in axes])
    if faulty and is_search:
        specs = specs or _near_ends(axes, base)
        faulty = _hopeless(axes, [labels for labels, _ in specs], faulty)
    if faulty:
        faults = [fault for _, found in faulty for fault in found]
        told = {fault.what for fault in faults}
        # What an axis does alone is told as a fault of that axis.
        alone = [] if is_search else axis_faults(axes, base)
        raise SpecError(*_without_repeats([*(f for f in alone if f.what in told), *faults]))
    return scaled(specs, epoch_scale=epoch_scale)


def axis_faults(axes: Iterable[Axis], base: Mapping[str, Any]) -> list[Fault]:
    """The faults of trials in which one axis alone sets its values.

    Args:
        axes: The axes.
        base: The base trial as plain values, without a fault.
    """
    return [
        fault
        for axis in axes
        for _, found in _checked([axis], base, [axis.extremes()])[1]
        for fault in found
    ]


def _checked(
    axes: Sequence[Axis], base: Mapping[str, Any], points: Sequence[Mapping[str, Value]]
) -> tuple[list[_Labelled], list[tuple[Mapping[str, str], tuple[Fault, ...]]]]:
    """The trials at all combinations of the points, and the faults of those that are none."""
    specs: list[_Labelled] = []
    faulty: list[tuple[Mapping[str, str], tuple[Fault, ...]]] = []
    for chosen in _combinations(points):
        labels = {axis.name: label for axis, label in zip(axes, chosen, strict=True)}
        values = [point[label] for point, label in zip(points, chosen, strict=True)]
        try:
            specs.append((labels, spec_at(base, values)))
        except SpecError as error:
            places = [f"axes.{axis}" for axis in labels if len(axes) == 1] or ["base"]
            name = ", ".join(f"{axis}={label}" for axis, label in labels.items())
            faulty.append((labels, error.under(f"{places[0]} ({name})")))
    return specs, faulty


def _combinations(points: Sequence[Mapping[str, Value]]) -> Iterable[tuple[str, ...]]:
    """All combinations of labels; of a search with too many, those that differ in one label."""
    if math.prod(map(len, points)) <= MOST_CELLS:
        return itertools.product(*points)
    first = tuple(next(iter(point)) for point in points)
    others = (
        (*first[:place], label, *first[place + 1 :])
        for place, point in enumerate(points)
        for label in point
    )
    return dict.fromkeys([first, *others])


def _near_ends(axes: Sequence[Axis], base: Mapping[str, Any]) -> list[_Labelled]:
    """Trials beside the ends of ranges of whole numbers, where no trial is at the ends."""
    for step in range(1, MOST_STEPS + 1):
        specs, _ = _checked(axes, base, [axis.extremes(inwards=step) for axis in axes])
        if specs:
            return specs
    return []


def _hopeless(
    axes: Sequence[Axis],
    good: Sequence[Mapping[str, str]],
    faulty: Sequence[tuple[Mapping[str, str], tuple[Fault, ...]]],
) -> list[tuple[Mapping[str, str], tuple[Fault, ...]]]:
    """The faults of a search that stop it: where a choice or an end is part of no trial."""
    if not good:
        return list(faulty)
    may_fail = {axis.name for axis in axes if axis.domain is not None and axis.domain.integer}
    lives = {(axis, label) for labels in good for axis, label in labels.items()}
    return [
        (labels, faults)
        for labels, faults in faulty
        if any(
            axis not in may_fail and (axis, label) not in lives for axis, label in labels.items()
        )
    ]


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
        least = max(spec.least_epochs(scale) for _, spec in specs)
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


def _without_repeats(faults: Iterable[Fault]) -> list[Fault]:
    """Drops repeats: every trial has the base's faults, so only the first one shows them."""
    shown: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        shown.setdefault((fault.path.rpartition(".")[2], fault.what), fault)
    return list(shown.values())
