"""Turns records into plain values for study files and databases, in one way for all.

Fields that equal their default are omitted. So neither writing a default nor adding a field later
makes another trial. Fields older than this rule are marked.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

IN_FULL: Mapping[str, str] = {"written": "in full"}
"""Metadata of a field whose default is omitted only from an id."""
ALWAYS: Mapping[str, str] = {"written": "always"}
"""Metadata of a field whose default is part of an id too."""
WHERE: Mapping[str, str] = {"written": "where"}
"""Metadata of a field that says where something lies, not what it is; it is no part of an id."""
INLINE: Mapping[str, str] = {"place": "inline"}
"""Metadata of a field whose keys are merged into those of its record."""
BY_KIND: Mapping[str, str] = {"place": "by kind"}
"""Metadata of a field whose key is the `kind` of its value, a record; or of each of its parts."""


def written(record: Any, *, full: bool = True, places: bool = True) -> dict[str, Any]:
    """Returns a dataclass as plain values, without fields that equal their default.

    Args:
        record: An instance.
        full: Include the defaults of fields marked `IN_FULL`.
        places: Include fields marked `WHERE`.
    """
    mapping: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value, when = getattr(record, field.name), field.metadata.get("written")
        if value == default_of(field) and not (when == "always" or (full and when == "in full")):
            continue
        if when == "where" and not places:
            continue
        place = field.metadata.get("place")
        if place == "inline":
            mapping |= plain(value, full=full, places=places)
        elif place == "by kind":
            parts = getattr(value, "parts", (value,))
            mapping |= {part.kind: plain(part, full=full, places=places) for part in parts}
        else:
            mapping[field.name] = plain(value, full=full, places=places)
    return mapping


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """Returns the default of a field; `dataclasses.MISSING` if it is required."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def plain(value: Any, *, full: bool = True, places: bool = True) -> Any:
    """Turns tuples into lists and dataclasses into mappings, the values that YAML has.

    Args:
        value: Value of a field or an option.
        full: As in `written`.
        places: As in `written`.
    """
    if dataclasses.is_dataclass(value):
        return written(value, full=full, places=places)
    if isinstance(value, Mapping):
        return {key: plain(item, full=full, places=places) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item, full=full, places=places) for item in value]
    return value
