"""Expands a study into its cells, or into one of them; pure."""

from collections.abc import Iterable, Mapping

from orchestrator.study.axes import Axis, label_of
from orchestrator.study.cells import Cell
from orchestrator.study.points import Value
from orchestrator.study.product import scaled, scaled_epochs, spec_at
from orchestrator.study.search import EPOCH_OPTIONS
from orchestrator.study.spec import StudySpec
from orchestrator.study.teachers import taught_cells
from orchestrator.study.yaml import read_yaml
from trainers.binding import Component
from trainers.errors import Fault, SpecError, did_you_mean


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
        elif axis.domain.integer:
            points.append({axis.sets: (whole := int(float(str(value))))})
            labels[axis.name] = label_of(whole)
        else:
            # Rounded as its label is (six digits), so that equal labels mean equal trials.
            points.append({axis.sets: float(label_of(float(str(value))))})
    trials = [(labels, spec_at(study.base_mapping, points))]
    cells = scaled(trials, epoch_scale=study.variant.epoch_scale)
    return taught_cells(cells, study.teachers)[0]


def pick(study: StudySpec, choice: str) -> Cell:
    """The cell that `axis=label,...` names; an axis with a single label may be omitted.

    Raises:
        SpecError: If an axis or a label is unknown, or if several cells match.
    """
    known = {axis.name: axis for axis in study.axes}
    given = dict(_pairs(choice, known))
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


def _pairs(choice: str, axes: Mapping[str, Axis]) -> Iterable[tuple[str, str]]:
    """Axis and label of each part; a label may itself have commas and equals signs."""
    parts = choice.split(",") if choice else []
    while parts:
        # The longest label that there is; else what comes before the next comma.
        for end in (*range(len(parts), 1, -1), 1):
            name, equals, label = ",".join(parts[:end]).partition("=")
            axis = axes.get(name.strip())
            if axis is not None and _named(axis, label) is not None:
                break
        if not equals:
            what = f"expected axis=label, got '{parts[0]}'"
            raise SpecError(Fault(f"--trial {choice}", what, "such as order=reverse,seed=316"))
        yield name.strip(), label
        del parts[:end]


def _named(axis: Axis, text: str) -> str | None:
    """The label of the axis that somebody means by a text; None: it has no such label.

    That is the text itself, or the label of the value that YAML reads in it: `1e-3` for 0.001.
    """
    for label in (text, text.strip()):
        if label in axis.points:
            return label
    try:
        label = label_of(read_yaml(text))
    except SpecError:
        return None
    return label if label in axis.points else None


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
            return [Fault(where, f"axis {axis.name} expects a number, got '{label.strip()}'")]
        if axis.domain.integer and not value.is_integer():
            return [Fault(where, f"axis {axis.name} expects a whole number, got {label.strip()}")]
        if not low <= value <= high:
            return [Fault(where, f"{axis.name} goes from {low:g} to {high:g}, got {label}")]
        values[axis.name] = value
    elif (named := _named(axis, label)) is not None:
        values[axis.name] = named
    else:
        near = did_you_mean(label.strip(), axis.points)
        what = f"axis {axis.name} has no value '{label.strip()}'{near}"
        return [Fault(where, what, f"known: {known}")]
    return []
