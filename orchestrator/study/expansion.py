"""Expands a study into its cells, or into one of them; pure."""

from collections.abc import Iterable, Mapping

from orchestrator.study.axes import Axis, Value, label_of
from orchestrator.study.cells import Cell
from orchestrator.study.product import scaled, scaled_epochs, spec_at
from orchestrator.study.search import EPOCH_OPTIONS
from orchestrator.study.spec import StudySpec
from trainers.binding import Component
from trainers.errors import Fault, SpecError


def expand(study: StudySpec) -> tuple[Cell, ...]:
    """All cells of a study, the last axis varying fastest; for a searched study its extremes.

    Raises:
        SpecError: With every fault of every trial.
    """
    return study.trials


def trial_at(study: StudySpec, values: Mapping[str, object]) -> Cell:
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
    return scaled(
        [(labels, spec_at(study.base_mapping, points))], epoch_scale=study.variant.epoch_scale
    )[0]


def pick(study: StudySpec, choice: str) -> Cell:
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


def scaled_scheduler(study: StudySpec) -> Component | None:
    """The study's scheduler, with its epochs scaled like those of the trials."""
    if study.scheduler is None or not study.variant.epoch_scale:
        return study.scheduler
    scale = scaled_epochs(study.variant.epoch_scale)
    options = {
        key: scale(value) if key in EPOCH_OPTIONS and isinstance(value, int) else value
        for key, value in study.scheduler.options.items()
    }
    return Component(study.scheduler.name, options)


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
