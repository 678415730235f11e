"""Strict YAML for researchers: `1e-3` is a number, and a repeated key is a fault."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from trainers.errors import Fault, SpecError

MOST_VALUES = 100_000
"""Most values in a file; values behind an alias count each time."""
DEEPEST = 40
"""Most levels of nested lists and mappings."""


class _StrictLoader(yaml.SafeLoader):
    """Loads plain data only, and collects repeated keys as faults."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.faults: list[Fault] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, Hashable) and key in seen:
                what = f"the key appears twice, in lines {seen[key]} and {line}"
                self.faults.append(Fault(str(key), what, "keep one of them"))
            elif isinstance(key, Hashable):
                seen[key] = line
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 requires a point in a number with an exponent, so 1e-3 would be read as text.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(text: str) -> Any:
    """Reads plain data from YAML text.

    Raises:
        SpecError: If the text is not valid YAML, holds more than plain data, or repeats a key.
    """
    try:
        loader = _StrictLoader(text)
        data = loader.get_single_data()
        _measure(data, (), {})
    # PyYAML passes on errors of the constructors of its plain types, besides its own.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise SpecError(Fault("", f"no readable YAML: {' '.join(str(error).split())}")) from error
    if loader.faults:
        raise SpecError(*loader.faults)
    return data


def _measure(
    data: object, above: tuple[int, ...], known: dict[int, tuple[int, int]]
) -> tuple[int, int]:
    """Counts the values and levels of the data; visits a repeated alias only once.

    Raises:
        ValueError: If there are too many values or levels, or if a value contains itself.
    """
    if not isinstance(data, dict | list):
        return 1, 0
    if id(data) in above:
        raise ValueError("an alias refers to a value that contains it")
    if id(data) not in known and len(above) < DEEPEST:
        inner = data.values() if isinstance(data, dict) else data
        parts = [_measure(value, (*above, id(data)), known) for value in inner]
        size = 1 + sum(size for size, _ in parts)
        known[id(data)] = size, 1 + max((depth for _, depth in parts), default=0)
        if size > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values, aliases expanded")
    size, depth = known.get(id(data), (1, 1))
    if len(above) + depth > DEEPEST:
        raise ValueError(f"lists and mappings are nested more than {DEEPEST} levels deep")
    return size, depth


def read_yaml_file(path: Path) -> Any:
    """Reads a file's plain data; see `read_yaml`.

    Raises:
        SpecError: As for `read_yaml`, or if the file is missing or not UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(Fault("", f"cannot be read: {error}")) from error
    return read_yaml(text)
