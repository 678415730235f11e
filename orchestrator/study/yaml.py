"""Strict YAML for researchers: `1e-3` is a number, keys are text, a repeated key is a fault."""

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

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
# YAML 1.1 requires a point in a number with an exponent, so 1e-3 would be read as text.
_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
_STARTS = list("-+.0123456789")
_OCTAL = re.compile(r"[-+]?0[0-7_]+$")
_WORDS = frozenset({"on", "off", "yes", "no"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class _StrictLoader(yaml.SafeLoader):
    """Loads plain data only; collects as faults what is not read as it is written."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.faults: list[Fault] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(self._as_written(key_node), deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, Hashable) and key in seen:
                what = f"the key appears twice, in lines {seen[key]} and {line}"
                self.faults.append(Fault(str(key), what, "keep one of them"))
            elif isinstance(key, Hashable):
                seen[key] = line
        return super().construct_mapping(node, deep=deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges what `<<` names, then makes the text of each key the key."""
        super().flatten_mapping(node)
        node.value = [(self._as_written(key), value) for key, value in node.value]

    def construct_sequence(self, node: yaml.SequenceNode, deep: bool = False) -> list[Any]:
        """Reads a list; refuses words in it that YAML takes for true or false."""
        for item in node.value:
            if item.tag == f"{_TAG}bool" and item.value.lower() in _WORDS:
                read = str(self.construct_object(item)).lower()
                self._refuse(item, read)
        return super().construct_sequence(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Reads a whole number; refuses those of base 8 and 60, which nobody means."""
        if ":" in node.value:
            return self._refuse(node, "a number of base 60")
        number = int(super().construct_yaml_int(node))
        is_octal = isinstance(node.value, str) and _OCTAL.match(node.value)
        return self._refuse(node, str(number)) if is_octal else number

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Reads a number; refuses those of base 60, which nobody means."""
        if ":" in node.value:
            return self._refuse(node, "a number of base 60")
        return float(super().construct_yaml_float(node))

    def _as_written(self, key: yaml.Node) -> yaml.Node:
        """The key as text: `on`, `010` and `1.0` are names like any other."""
        if not isinstance(key, yaml.ScalarNode) or key.style is not None or key.tag == _MERGE:
            return key
        # A tag that somebody wrote, such as !!python/name, is refused as everywhere.
        read = self.resolve(yaml.ScalarNode, key.value, (True, False))  # type: ignore[no-untyped-call]
        if key.tag != read:
            return key
        return yaml.ScalarNode(f"{_TAG}str", key.value, key.start_mark, key.end_mark, style="'")

    def _refuse(self, node: yaml.ScalarNode, read: str) -> int:
        text, line = node.value[:40], node.start_mark.line + 1
        what = f"YAML reads this as {read}, in line {line}"
        hint = f"quote it if it is a name: '{text}'"
        if not read.startswith("a "):
            hint = f"write {read}, or {hint}"
        self.faults.append(Fault(text, what, hint))
        return 0


_StrictLoader.add_implicit_resolver(f"{_TAG}float", _EXPONENT, _STARTS)
_StrictLoader.add_constructor(f"{_TAG}int", _StrictLoader.construct_yaml_int)
_StrictLoader.add_constructor(f"{_TAG}float", _StrictLoader.construct_yaml_float)


class _Dumper(yaml.SafeDumper):
    """Quotes texts that `read_yaml` would take for numbers."""


_Dumper.add_implicit_resolver(f"{_TAG}float", _EXPONENT, _STARTS)


def read_yaml(text: str) -> Any:
    """Reads plain data from YAML text; keys are the text that is written.

    Raises:
        SpecError: If the text is not valid YAML, holds more than plain data, repeats a key, or
            writes a value that YAML reads as something else: `[on]`, `010`, `1:30`.
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


def write_yaml(data: object) -> str:
    """Writes plain data as YAML text that `read_yaml` reads as the same data."""
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        width=99,
        allow_unicode=True,
    )
    return text


def _measure(
    data: object, above: tuple[int, ...], known: dict[int, tuple[int, int]]
) -> tuple[int, int]:
    """Counts the values and levels of the data; visits a repeated alias only once.

    Raises:
        ValueError: If there are too many values or levels, if a value contains itself, or if a
            text has a character that no store takes.
    """
    if isinstance(data, str):
        _refuse_control(data)
    if not isinstance(data, dict | list):
        return 1, 0
    if id(data) in above:
        raise ValueError("an alias refers to a value that contains it")
    if id(data) not in known and len(above) < DEEPEST:
        inner = data.values() if isinstance(data, dict) else data
        for key in data if isinstance(data, dict) else ():
            _refuse_control(str(key))
        parts = [_measure(value, (*above, id(data)), known) for value in inner]
        size = 1 + sum(size for size, _ in parts)
        known[id(data)] = size, 1 + max((depth for _, depth in parts), default=0)
        if size > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values, aliases expanded")
    size, depth = known.get(id(data), (1, 1))
    if len(above) + depth > DEEPEST:
        raise ValueError(f"lists and mappings are nested more than {DEEPEST} levels deep")
    return size, depth


def _refuse_control(text: str) -> None:
    found = _CONTROL.search(text)
    if found:
        near = text[: found.start()][-20:]
        raise ValueError(f"control character U+{ord(found[0]):04X} in a text after {near!r}")


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
