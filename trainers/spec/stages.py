"""The stage before a trial: the same trial with some keys changed, whose best weights it takes."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol, cast

from trainers.binding import show
from trainers.errors import Fault, SpecError, unknown_keys
from trainers.spec.data_spec import DataSpec
from trainers.spec.tables import binarizer_of
from trainers.written import plain

BEFORE = "before"
SHARED = ("model", "seed", "precision", "measure_test")
"""Keys that all stages of a trial share; of `data`, the data set with its options too."""

OTHER_DATA = "is another data set than the trial's"


class Stage(Protocol):
    """A trial, as far as a stage after it must know it."""

    @classmethod
    def from_mapping(cls, mapping: object) -> Any:
        """Reads it from plain values."""


def read_before(kind: type[Stage], value: object, parts: Mapping[str, Any]) -> object:
    """Reads the stage before a trial: what differs from the trial itself.

    A key stands in the place of the trial's; of `data` each key does so for itself.

    Args:
        kind: The class of trials.
        value: What the user wrote; a trial stays as it is.
        parts: The trial's parts.

    Raises:
        SpecError: Lists every fault.
    """
    if value is None or isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise SpecError(f"expected what differs in the stage before, got {show(value)}")
    names = [field.name for field in fields(cast(Any, kind))]
    faults = unknown_keys(value, names)
    faults += [
        Fault(name, "is the same in all stages of a trial", "remove it")
        for name in SHARED
        if name in value
    ]
    if faults:
        raise SpecError(*faults)
    inherited = {name: plain(part) for name, part in parts.items() if name != BEFORE}
    try:
        kind.from_mapping(inherited)
    except SpecError:
        # The trial itself has faults. They are reported, and the stage has them only from it.
        return None
    changed: dict[Any, Any] = {**inherited, **value}
    if isinstance(data := value.get("data"), Mapping):
        if data.get("name", inherited["data"]["name"]) != inherited["data"]["name"]:
            raise SpecError(Fault("data.name", OTHER_DATA, "name it once"))
        changed["data"] = {**inherited["data"], **data}
    return kind.from_mapping(changed)


def changes(
    trial: Any, before: Any, *, full: bool = True, places: bool = True
) -> dict[str, object]:
    """Returns what `read_before` needs to make the stage before of a trial.

    Args:
        trial: The trial.
        before: The stage before it.
        full: As in `trainers.written`.
        places: As in `trainers.written`.
    """
    found: dict[str, object] = {}
    for field in fields(trial):
        if field.name in (*SHARED, BEFORE):
            continue
        ours, theirs = getattr(trial, field.name), getattr(before, field.name)
        if isinstance(ours, DataSpec):
            data = _data_changes(ours, theirs, full=full, places=places)
            found |= {field.name: data} if data else {}
        elif plain(ours, full=full, places=places) != plain(theirs, full=full, places=places):
            found[field.name] = plain(theirs, full=full, places=places)
    if before.before is not None:
        found[BEFORE] = changes(before, before.before, full=full, places=places)
    return found


def stage_faults(parts: Mapping[str, Any]) -> list[Fault]:
    """Returns the faults of a stage that has nothing to hand on to the trial.

    Args:
        parts: The trial's parts by its key; missing parts are skipped.
    """
    before = parts.get(BEFORE)
    if before is None:
        return []
    faults = [
        Fault(name, f"is {show(getattr(before, name))}, but the trial has {show(parts[name])}")
        for name in SHARED
        if name in parts and getattr(before, name) != parts[name]
    ]
    if "data" in parts and before.data.source != parts["data"].source:
        faults.append(Fault("data", OTHER_DATA, "name it once"))
    if before.layers.order and not binarizer_of(before.weights).trains_latent:
        what = f"'{before.weights.name}' leaves weights as they are, so there is none to take over"
        faults.append(Fault("weights", what, "set layers: {order: []} there, or other weights"))
    return [fault.under(BEFORE) for fault in faults]


def _data_changes(ours: DataSpec, theirs: DataSpec, *, full: bool, places: bool) -> dict[str, Any]:
    return {
        field.name: plain(getattr(theirs, field.name), full=full, places=places)
        for field in fields(ours)
        if field.name != "source" and getattr(ours, field.name) != getattr(theirs, field.name)
    }
