"""JSON Schema of a trial: the study's key `base`, and the key paths that axes set."""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields

from orchestrator.study.schema_parts import (
    AUGMENT,
    PART,
    Schema,
    any_of,
    augment,
    component,
    described,
    mapping_of,
    of_type,
    ref,
    texts_of,
)
from trainers.binarize.activations import ACTIVATION_BINARIZERS
from trainers.binarize.schedule import LayerSchedule
from trainers.data import SOURCES, Augment
from trainers.spec.data_spec import DataSpec
from trainers.spec.parts import ALL
from trainers.spec.stages import BEFORE, SHARED
from trainers.spec.tables import COMPONENTS
from trainers.spec.train_spec import TrainSpec
from trainers.written import default_of


def definitions() -> dict[str, Schema]:
    """The definitions of a trial and its parts, whole ones and such as another file completes."""
    found = {AUGMENT: augment(), "layers": _layers(), **_data(), **_activations()}
    for key, (_, table) in COMPONENTS.items():
        found |= component(key, table)
    for is_part in (False, True):
        end = PART if is_part else ""
        found["trial" + end] = _trial(is_part=is_part)
        found[BEFORE + end] = _before(is_part=is_part)
    found["path"] = any_of({"enum": list(paths(found))}, {"pattern": rf"^({BEFORE}\.)+[^.]"})
    return found


def paths(known: Mapping[str, Schema]) -> Iterator[str]:
    """All key paths inside a trial, without those of the stages before.

    Args:
        known: The definitions.
    """
    trial = {key: schema for key, schema in known["trial"]["properties"].items() if key != BEFORE}
    yield from dict.fromkeys(_paths({"properties": trial}, known))
    yield BEFORE


def _paths(schema: Schema, known: Mapping[str, Schema]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _paths(known[schema["$ref"].rpartition("/")[2]], known)
    for form in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _paths(form, known)
    for key, inner in schema.get("properties", {}).items():
        yield key
        yield from (f"{key}.{path}" for path in _paths(inner, known))


def _trial(*, is_part: bool) -> Schema:
    needed = [field.name for field in fields(TrainSpec) if default_of(field) is MISSING]
    return mapping_of(_keys(is_part=is_part), needed=[] if is_part else needed)


def _before(*, is_part: bool) -> Schema:
    """What differs in the stage before: of `data` each key by itself, other keys are whole."""
    keys = _keys(is_part=is_part) | {"data": ref("data", is_part=True)}
    return mapping_of({key: schema for key, schema in keys.items() if key not in SHARED})


def _keys(*, is_part: bool) -> dict[str, Schema]:
    hints, texts = typing.get_type_hints(TrainSpec), texts_of(TrainSpec)
    found: dict[str, Schema] = {}
    for field in fields(TrainSpec):
        name = field.name
        if name in (*COMPONENTS, "data", "activations"):
            schema = ref(name, is_part=is_part)
        elif name == BEFORE:
            schema = any_of(ref(name, is_part=is_part), {"type": "null"})
        elif name == "layers":
            schema = ref(name)
        else:
            schema = of_type(hints[name])
        found[name] = described(schema, texts.get(name, ""), default_of(field))
    return found


def _data() -> dict[str, Schema]:
    hints, texts = typing.get_type_hints(DataSpec), texts_of(DataSpec)
    own = {
        field.name: described(of_type(hints[field.name]), texts[field.name], default_of(field))
        for field in fields(DataSpec)
        if field.name != "source"
    }
    own["augment"] = described(of_type(Augment), texts["augment"])
    loaders = {name: source.load for name, source in SOURCES.items()}
    return component("data", loaders, own)


def _activations() -> dict[str, Schema]:
    places = {"layers": any_of({"const": ALL}, of_type(tuple[str, ...]))}
    found = component("activations", ACTIVATION_BINARIZERS, places)
    none = [{"enum": ["none", None]}, mapping_of({"name": {"const": "none"}}, needed=["name"])]
    for key in ("activations", f"activations{PART}"):
        found[key] = {"anyOf": [*none, *found[key]["anyOf"]]}
    return found


def _layers() -> Schema:
    texts = texts_of(LayerSchedule)
    order = any_of({"const": ALL}, {"type": "array", "items": {"type": ["string", "integer"]}})
    ends = "Instead of order: the convolutions from the first to the last number."
    return mapping_of(
        {
            "order": described(order, f"{texts['order']} Or all: every layer, forward."),
            "epochs_per_layer": described({"type": "integer"}, texts["epochs_per_layer"]),
            "published_range": described(of_type(tuple[int, int]), ends),
        }
    )
