"""YAML as a researcher means it: `1e-3` is a number, and a key that comes twice is a fault."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from trainers.errors import Fault, SpecError

MOST_VALUES = 100_000
"""Values in a file, those that aliases repeat counted each time."""
DEEPEST = 40
"""Lists and mappings inside each other."""


class _StrictLoader(yaml.SafeLoader):
    """Plain data only; remembers keys that come twice."""

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
                what = f"the key stands there twice, in lines {seen[key]} and {line}"
                self.faults.append(Fault(str(key), what, "keep one of them"))
            elif isinstance(key, Hashable):
                seen[key] = line
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 wants a point in a number with an exponent; nobody who writes 1e-3 means a text.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(text: str) -> Any:
    """The plain data that a YAML text describes.

    Raises:
        SpecError: If it is no YAML, holds anything but plain data, or a key comes twice.
    """
    try:
        loader = _StrictLoader(text)
        data = loader.get_single_data()
        _measure(data, (), {})
    # Beside its own errors, PyYAML lets through those of the constructors of its plain types.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise SpecError(Fault("", f"no readable YAML: {' '.join(str(error).split())}")) from error
    if loader.faults:
        raise SpecError(*loader.faults)
    return data


def _measure(
    data: object, above: tuple[int, ...], known: dict[int, tuple[int, int]]
) -> tuple[int, int]:
    """How many values there are and how deep they lie; what an alias repeats is met once.

    Raises:
        ValueError: If there are too many, if they lie too deep, or one lies in itself.
    """
    if not isinstance(data, dict | list):
        return 1, 0
    if id(data) in above:
        raise ValueError("an alias refers to what it stands in")
    if id(data) not in known and len(above) < DEEPEST:
        inner = data.values() if isinstance(data, dict) else data
        parts = [_measure(value, (*above, id(data)), known) for value in inner]
        size = 1 + sum(size for size, _ in parts)
        known[id(data)] = size, 1 + max((depth for _, depth in parts), default=0)
        if size > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values, aliases written out")
    size, depth = known.get(id(data), (1, 1))
    if len(above) + depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} lists and mappings lie inside each other")
    return size, depth


def read_yaml_file(path: Path) -> Any:
    """The plain data of a file; see `read_yaml`.

    Raises:
        SpecError: Also if there is no such file, or it is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(Fault("", f"cannot be read: {error}")) from error
    return read_yaml(text)
