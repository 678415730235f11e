"""YAML as a researcher means it: `1e-3` is a number, and a key that comes twice is a fault."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from trainers.errors import Fault, SpecError


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
        _refuse_cycles(data, ())
    # Beside its own errors, PyYAML lets through those of the constructors of its plain types.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise SpecError(Fault("", f"no readable YAML: {' '.join(str(error).split())}")) from error
    if loader.faults:
        raise SpecError(*loader.faults)
    return data


def _refuse_cycles(data: object, above: tuple[int, ...]) -> None:
    if id(data) in above:
        raise ValueError("an alias refers to what it stands in")
    if isinstance(data, dict):
        for value in data.values():
            _refuse_cycles(value, (*above, id(data)))
    elif isinstance(data, list):
        for value in data:
            _refuse_cycles(value, (*above, id(data)))


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
