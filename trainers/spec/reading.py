"""Reads each part of a trial from plain values: by its table, its reader, or its type."""

import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any, cast

from trainers.binarize.schedule import LayerSchedule
from trainers.binding import Component, Record, bind, convert, show
from trainers.errors import Fault, SpecError, unknown_keys
from trainers.spec.added import CenterLoss, Teacher
from trainers.spec.data_spec import read_data
from trainers.spec.parts import ALL, read_activations
from trainers.spec.probe import conv_layers, model_layers
from trainers.spec.stages import BEFORE, read_before
from trainers.spec.tables import COMPONENTS
from trainers.written import default_of

Reader = Callable[[object, Mapping[str, Any]], object]
"""Reads a part from plain values; also gets the parts read before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The keys of a trial.

    Args:
        names: All keys, in reading order.
        required: Keys without a default.
        structured: Readers of keys whose value is a mapping, or a name that stands for one.
        plain: Types of all other keys.
    """

    names: tuple[str, ...]
    required: frozenset[str]
    structured: Mapping[str, Reader]
    plain: Mapping[str, Any]


def keys_of(spec: type) -> Keys:
    """Returns the keys of a spec class; fields of a plain type or a record need no reader."""
    if spec not in _KEYS:
        _KEYS[spec] = _keys_of(spec)
    return _KEYS[spec]


_KEYS: dict[type, Keys] = {}
"""Cache of the keys by class: resolving types takes as long as checking a trial."""


def _keys_of(spec: type) -> Keys:
    types = typing.get_type_hints(spec)
    structured: dict[str, Reader] = {}
    plain: dict[str, Any] = {}
    for field in fields(spec):
        kind = types[field.name]
        if field.name in COMPONENTS:
            structured[field.name] = _component_reader(*COMPONENTS[field.name])
        elif field.name == BEFORE:
            structured[field.name] = partial(read_before, spec)
        elif field.name in _READERS:
            structured[field.name] = _READERS[field.name]
        elif isinstance(kind, type) and issubclass(kind, Record):
            structured[field.name] = _record_reader(kind)
        else:
            plain[field.name] = kind
    return Keys(
        names=tuple(field.name for field in fields(spec)),
        required=frozenset(field.name for field in fields(spec) if default_of(field) is MISSING),
        structured=structured,
        plain=plain,
    )


def read_parts(keys: Keys, mapping: Mapping[Any, object]) -> tuple[dict[str, Any], list[Fault]]:
    """Returns the readable parts of a spec, and the faults of the others.

    Args:
        keys: The keys of the spec's class.
        mapping: What the user wrote.
    """
    parts: dict[str, Any] = {}
    faults = unknown_keys(mapping, keys.names)
    for name in keys.names:
        if name not in mapping:
            if name in keys.required:
                faults.append(Fault(name, "is missing"))
            continue
        try:
            if name in keys.plain:
                parts[name] = convert(mapping[name], keys.plain[name])
            else:
                parts[name] = keys.structured[name](mapping[name], parts)
        except SpecError as error:
            faults.extend(error.under(name))
    return parts, faults


def _component_reader(kind: str, table: Mapping[str, Callable[..., object]]) -> Reader:
    return lambda value, parts: bind(kind, table, value)


def _record_reader(kind: type[Record]) -> Reader:
    return lambda value, parts: convert(value, kind)


def _read_layers(value: object, parts: Mapping[str, Any]) -> LayerSchedule[str]:
    """Reads which layers are binary in which epoch; by name, or by number in the model."""
    forward = _forward_layers(parts.get("model"))
    if not isinstance(value, Mapping):
        raise SpecError(f"expected {{order: [...], epochs_per_layer: ...}}, got {show(value)}")
    known = ("order", "epochs_per_layer", "published_range")
    faults = unknown_keys(value, known)
    given: dict[str, Any] = {"order": (), "epochs_per_layer": 0}
    if "published_range" in value:
        try:
            given["order"] = _in_published_range(value, parts.get("model"))
        except SpecError as error:
            faults.extend(error.under("published_range"))
    if isinstance(chosen := value.get("order"), str):
        value = {key: item for key, item in value.items() if key != "order"}
        given["order"] = forward
        if chosen != ALL:
            what = f"expected a list of layers, or {ALL}, got {show(chosen)}"
            faults.append(Fault("order", what))
    for key, wanted in (("order", tuple[int | str, ...]), ("epochs_per_layer", int)):
        if key not in value:
            continue
        try:
            given[key] = convert(value[key], wanted)
        except SpecError as error:
            faults.extend(error.under(key))
    order: list[str] = []
    for index, layer in enumerate(given["order"]):
        if isinstance(layer, str) or not forward:
            order.append(str(layer))
        elif 1 <= layer <= len(forward):
            order.append(forward[layer - 1])
        else:
            what = f"there is no layer {layer}"
            faults.append(Fault(f"order.{index}", what, f"the model has 1 to {len(forward)}"))
    if faults:
        raise SpecError(*faults)
    return LayerSchedule(order=tuple(order), epochs_per_layer=given["epochs_per_layer"])


def _in_published_range(layers: Mapping[Any, object], model: Component | None) -> tuple[str, ...]:
    """Returns the convolutions from the first to the last number, as published for DAB.

    They are counted from 1 in registration order; Linear layers are not counted. The last number
    may be above that of the last convolution.

    Raises:
        SpecError: If it is no range, no convolution is in it, or layers are given by name too.
    """
    if "order" in layers:
        raise SpecError(Fault("", "chooses the layers, and so does order", "give one of them"))
    first, last = cast(tuple[int, int], convert(layers["published_range"], tuple[int, int]))
    if not 1 <= first <= last:
        what = f"expected [FIRST, LAST] with 1 <= FIRST <= LAST, got [{first}, {last}]"
        raise SpecError(Fault("", what))
    try:
        convolutions = conv_layers(model) if model else ()
    except SpecError:
        # The check of the model reports this.
        return ()
    if model and first > len(convolutions):
        what = f"there is no convolution {first}; the model has {len(convolutions)}"
        raise SpecError(Fault("", what))
    return convolutions[first - 1 : last]


def _forward_layers(model: Component | None) -> tuple[str, ...]:
    """Returns the model's layers; empty if the model is unknown or cannot be built."""
    try:
        return model_layers(model) if model else ()
    except SpecError:
        return ()


_READERS: Mapping[str, Reader] = {
    "center_loss": lambda value, parts: convert(value, CenterLoss | None),
    "activations": lambda value, parts: read_activations(value),
    "data": lambda value, parts: read_data(value),
    "layers": _read_layers,
    "teacher": lambda value, parts: convert(value, Teacher | None),
}
"""Readers of parts that need more than a table or a type."""
