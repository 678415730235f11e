"""Expands a study into its cells and checks each; pure."""

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from orchestrator.study.axes import Axis, Value, label_of
from orchestrator.study.cells import Cell
from orchestrator.study.overrides import set_path
from orchestrator.study.search import EPOCH_OPTIONS
from trainers.binding import Component
from trainers.errors import Fault, SpecError
from trainers.spec.train_spec import TrainSpec

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec


def expand(study: "StudySpec") -> tuple[Cell, ...]:
    """All cells of a study, the last axis varying fastest; for a searched study its extremes.

    Raises:
        SpecError: With every fault of every trial.
    """
    return study.trials


def expanded(study: "StudySpec") -> tuple[Cell, ...]:
    """Computes the cells of a study on each call; `StudySpec.trials` caches them.

    Raises:
        SpecError: With every fault of every trial.
    """
    points = [axis.extremes() for axis in study.axes]
    cells = [
        (
            {axis.name: label for axis, label in zip(study.axes, labels, strict=True)},
            [point[label] for point, label in zip(points, labels, strict=True)],
        )
        for labels in itertools.product(*points)
    ]
    specs: list[tuple[Mapping[str, str], TrainSpec]] = []
    faults: dict[Fault, None] = {}
    for labels, chosen in cells:
        try:
            specs.append((labels, _spec_at(study, chosen)))
        except SpecError as error:
            places = [f"axes.{axis}" for axis in labels if len(study.axes) == 1] or ["base"]
            name = ", ".join(f"{axis}={label}" for axis, label in labels.items())
            for fault in error.under(f"{places[0]} at {name}"):
                faults[fault] = None
    if faults:
        raise SpecError(*_without_repeats(faults))
    return _scaled(study, specs)


def trial_at(study: "StudySpec", values: Mapping[str, object]) -> Cell:
    """The cell of a searched study at the values that the searcher drew.

    Args:
        study: A searched study.
        values: Axis name to a number in its range, or to a label of its choices.

    Raises:
        SpecError: If the trial is not valid.
    """
    labels: dict[str, str] = {}
    points: list[Value] = []
    for axis in study.axes:
        value = values.get(axis.name, next(iter(axis.points), None))
        labels[axis.name] = label_of(value)
        if axis.domain is None:
            points.append(axis.points[str(value)])
        else:
            # Rounded as its label is (six digits), so that equal labels mean equal trials.
            drawn = float(label_of(float(str(value))))
            points.append({axis.sets: int(drawn) if axis.domain.integer else drawn})
    return _scaled(study, [(labels, _spec_at(study, points))])[0]


def pick(study: "StudySpec", choice: str) -> Cell:
    """The cell that `axis=label,...` names; an axis with a single label may be omitted.

    Raises:
        SpecError: If an axis or a label is unknown, or if several cells match.
    """
    given = dict(_pairs(choice))
    known = {axis.name: axis for axis in study.axes}
    faults = [
        Fault(f"--trial {choice}", f"there is no axis '{name}'", f"known: {', '.join(known)}")
        for name in given
        if name not in known
    ]
    values: dict[str, object] = {}
    for axis in study.axes:
        faults += _pick_label(axis, given.get(axis.name), values, choice)
    if faults:
        raise SpecError(*faults)
    return trial_at(study, values)


def scaled_epochs(scale: str) -> Callable[[int], int]:
    """A function that scales a number of epochs, rounded up, at least 1.

    Args:
        scale: The factor as decimal text; computed exactly, so that 0.07 of 100 epochs is 7.
    """
    factor = Fraction(scale)
    return lambda epochs: max(1, math.ceil(epochs * factor))


def scaled_scheduler(study: "StudySpec") -> Component | None:
    """The study's scheduler, with its epochs scaled like those of the trials."""
    if study.scheduler is None or not study.variant.epoch_scale:
        return study.scheduler
    scale = scaled_epochs(study.variant.epoch_scale)
    options = {
        key: scale(value) if key in EPOCH_OPTIONS and isinstance(value, int) else value
        for key, value in study.scheduler.options.items()
    }
    return Component(study.scheduler.name, options)


def _spec_at(study: "StudySpec", points: Iterable[Value]) -> TrainSpec:
    mapping: dict[Any, Any] = copy.deepcopy(dict(study.base_mapping))
    for point in points:
        for path, value in point.items():
            # A copy, because another axis may change something inside the value.
            set_path(mapping, path.split("."), copy.deepcopy(value))
    return TrainSpec.from_mapping(mapping)


def _scaled(
    study: "StudySpec", specs: Iterable[tuple[Mapping[str, str], TrainSpec]]
) -> tuple[Cell, ...]:
    specs = list(specs)
    if study.variant.epoch_scale:
        scale = scaled_epochs(study.variant.epoch_scale)
        # Every layer that turns binary in a full trial must do so in the scaled one, and the
        # controls of a study must train as long as its layer-by-layer trials.
        least = max(_least_epochs(spec, scale) for _, spec in specs)
        specs = [(labels, spec.scaled(scale, least_epochs=least)) for labels, spec in specs]
    return tuple(
        Cell(train=spec, labels=labels, epoch_scale=study.variant.epoch_scale)
        for labels, spec in specs
    )


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


def _pairs(choice: str) -> Iterable[tuple[str, str]]:
    for part in choice.split(",") if choice else ():
        name, equals, label = part.partition("=")
        if not equals:
            what = f"expected axis=label, got '{part}'"
            raise SpecError(Fault(f"--trial {choice}", what, "such as order=reverse,seed=316"))
        yield name.strip(), label.strip()


def _pick_label(
    axis: Axis, label: str | None, values: dict[str, object], choice: str
) -> list[Fault]:
    where = f"--trial {choice}" if choice else "--trial"
    known = ", ".join(axis.points)
    if label is None and len(axis.points) == 1:
        values[axis.name] = next(iter(axis.points))
    elif label is None:
        what = f"axis {axis.name} has several values; say which: {axis.name}=..."
        return [Fault(where, what, f"known: {known}" if known else "any number of its range")]
    elif axis.domain is not None:
        low, high = axis.domain.low, axis.domain.high
        try:
            value = float(label)
        except ValueError:
            return [Fault(where, f"axis {axis.name} expects a number, got '{label}'")]
        if not low <= value <= high:
            return [Fault(where, f"{axis.name} goes from {low:g} to {high:g}, got {label}")]
        values[axis.name] = value
    elif label in axis.points:
        values[axis.name] = label
    else:
        return [Fault(where, f"axis {axis.name} has no value '{label}'", f"known: {known}")]
    return []
