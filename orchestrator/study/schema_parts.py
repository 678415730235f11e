"""JSON Schema of options: from a constructor's signature, its types, and what its docstring says.

Draft 7, which all editors know.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from trainers.binding import Record, options_of
from trainers.data import AUGMENTATIONS, Augment
from trainers.written import plain

Schema = dict[str, Any]
PART = "_part"
"""Ends the names of definitions for files whose missing keys another file may hold."""
AUGMENT = "augment"
"""The definition of `Augment`, which all data sets share."""
_SHOWN = ("description", "default")
_PLAIN: Mapping[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
}


def ref(name: str, *, is_part: bool = False) -> Schema:
    """A reference to a definition."""
    return {"$ref": f"#/definitions/{name}{PART if is_part else ''}"}


def of_type(wanted: Any) -> Schema:
    """The schema of an annotated type, as `trainers.binding.convert` reads it."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return any_of(*map(of_type, arguments))
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is not Ellipsis:
        num = len(arguments)
        items = list(map(of_type, arguments))
        return {"type": "array", "items": items, "minItems": num, "maxItems": num}
    if origin in (tuple, Sequence):
        return {"type": "array", "items": of_type(arguments[0])}
    if wanted is Augment:
        return ref(AUGMENT)
    if isinstance(wanted, type) and issubclass(wanted, Record):
        return of_options(wanted)
    return {"type": _PLAIN[wanted]} if wanted in _PLAIN else {}


def any_of(*schemas: Schema) -> Schema:
    """The schema of what fits one of these; plain types become one list."""
    kinds: list[str] = []
    others: list[Schema] = []
    for schema in schemas:
        if set(schema) == {"type"}:
            kind = schema["type"]
            kinds += [kind] if isinstance(kind, str) else kind
        else:
            others.append(schema)
    if kinds:
        once = list(dict.fromkeys(kinds))
        others.append({"type": once[0] if len(once) == 1 else once})
    return others[0] if len(others) == 1 else {"anyOf": others}


def of_options(
    entry: Callable[..., object],
    more: Mapping[str, Schema] | None = None,
    *,
    needed: Sequence[str] = (),
    is_part: bool = False,
) -> Schema:
    """The schema of a mapping of a constructor's options.

    Args:
        entry: The constructor.
        more: Further keys, or other schemas for some of the options.
        needed: Those of the further keys that must be there.
        is_part: Another file may hold what is missing.
    """
    accepted, texts = options_of(entry), texts_of(entry)
    properties = dict(more or {})
    for name, parameter in accepted.items():
        schema = properties.get(name) or of_type(parameter.annotation)
        properties[name] = described(schema, texts.get(name, ""), parameter.default)
    return mapping_of(properties, needed=[*needed, *([] if is_part else needed_by(entry))])


def mapping_of(properties: Mapping[str, Schema], *, needed: Sequence[str] = ()) -> Schema:
    """The schema of a mapping with these keys and no others."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    schema |= {"required": list(needed)} if needed else {}
    return schema | {"additionalProperties": False}


def described(schema: Schema, text: str, default: object = inspect.Parameter.empty) -> Schema:
    """The schema with a text that editors show, and the default."""
    more: Schema = {"description": text} if text and "description" not in schema else {}
    shown = plain(default)
    if isinstance(shown, bool | int | float | str | list) and shown != []:
        more["default"] = shown
    if "$ref" in schema and more:
        # What stands beside a reference is not read.
        return {"allOf": [schema], **more}
    return schema | more


def component(
    key: str,
    table: Mapping[str, Callable[..., object]],
    more: Mapping[str, Schema] | None = None,
) -> dict[str, Schema]:
    """The definitions of `{name: ..., option: ...}`, as `trainers.binding.bind` reads it.

    Args:
        key: Name of the definition; one that ends in `PART` is for files whose missing keys, also
            the name, another file may hold. Each entry has one too.
        table: Constructors by name.
        more: Keys beside the name and its options.
    """
    found: dict[str, Schema] = {}
    whole: list[Schema] = []
    for name, entry in table.items():
        text = summary_of(entry)
        named = {"name": described({"const": name}, text), **(more or {})}
        form = of_options(entry, named, needed=["name"], is_part=True)
        found[f"{key}.{name}"] = {"title": name, **described(form, text)}
        missing = needed_by(entry)
        one = ref(f"{key}.{name}")
        whole.append({"allOf": [one], "required": missing} if missing else one)
    bare = [name for name, entry in table.items() if not needed_by(entry)]
    alone = [{"enum": bare}] if bare else []
    parts = [{"enum": list(table)}, *map(ref, found), _without_name(found.values())]
    return {**found, key: {"anyOf": [*alone, *whole]}, key + PART: {"anyOf": parts}}


def _without_name(forms: Iterable[Schema]) -> Schema:
    """Options alone, where another file has the name: those of any entry."""
    found: dict[str, list[Schema]] = {}
    for form in forms:
        for key, schema in form["properties"].items():
            bare = {name: part for name, part in schema.items() if name not in _SHOWN}
            if key != "name" and bare not in found.setdefault(key, []):
                found[key].append(bare)
    return mapping_of({key: any_of(*of) for key, of in found.items()})


def needed_by(entry: Callable[..., object]) -> list[str]:
    """The options of a constructor that have no default."""
    empty = inspect.Parameter.empty
    return [name for name, option in options_of(entry).items() if option.default is empty]


def summary_of(entry: Callable[..., object]) -> str:
    """The first paragraph of a docstring, in one line."""
    return _in_one_line((inspect.getdoc(entry) or "").partition("\n\n")[0])


def texts_of(entry: Callable[..., object]) -> dict[str, str]:
    """What a docstring says of each argument, in one line each."""
    found = re.search(r"(?ms)^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(entry) or "")
    if found is None:
        return {}
    parts = re.findall(r"(?ms)^    (\w+): (.*?)(?=^    \w|\Z)", found[1])
    return {name: _in_one_line(text) for name, text in parts}


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def augment() -> Schema:
    """Augmentations, whose changes of pixels have a key each in place of `variation`."""
    kinds = {
        name: described(of_type(kind | None), summary_of(kind))
        for name, kind in AUGMENTATIONS.items()
    }
    schema = of_options(Augment, kinds)
    del schema["properties"]["variation"]
    return schema
