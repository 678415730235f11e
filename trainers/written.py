"""Records as plain values, as study files and databases have them: one way for all of them.

A field that has its default is left out, so that neither writing a default down nor a field that
is added later makes another trial. Fields that were there before that rule say so.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

IN_FULL: Mapping[str, str] = {"written": "in full"}
"""Metadata of a field that is left out of an id alone where it has its default."""
ALWAYS: Mapping[str, str] = {"written": "always"}
"""Metadata of a field that is part of an id also where it has its default."""
INLINE: Mapping[str, str] = {"place": "inline"}
"""Metadata of a field whose keys stand among those of the record that holds it."""
BY_KIND: Mapping[str, str] = {"place": "by kind"}
"""Metadata of a field whose key is the `kind` of the record that it holds."""


def written(record: Any, *, full: bool = True) -> dict[str, Any]:
    """A dataclass as plain values, without fields that have their default.

    Args:
        record: An instance.
        full: With the defaults of fields that are marked `IN_FULL`.
    """
    mapping: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value, when = getattr(record, field.name), field.metadata.get("written")
        if value == default_of(field) and not (when == "always" or (full and when == "in full")):
            continue
        place = field.metadata.get("place")
        if place == "inline":
            mapping |= plain(value, full=full)
        else:
            mapping[value.kind if place == "by kind" else field.name] = plain(value, full=full)
    return mapping


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """What a field is where nothing is said; `dataclasses.MISSING`: something must be said."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def plain(value: Any, *, full: bool = True) -> Any:
    """The value with tuples turned into lists and dataclasses into mappings, as YAML has them.

    Args:
        value: What a field or an option may hold.
        full: As for `written`.
    """
    if dataclasses.is_dataclass(value):
        return written(value, full=full)
    if isinstance(value, Mapping):
        return {key: plain(item, full=full) for key, item in value.items()}
    return [plain(item, full=full) for item in value] if isinstance(value, tuple) else value
