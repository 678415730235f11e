"""Reads a study's file as plain values, merged over the shared file that it extends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.study.shipped import config_folder
from orchestrator.study.yaml import read_yaml_file, write_yaml
from trainers.binding import show
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.paths import expanded

EXTENDS = "extends"
"""The key of a study that names a file of shared parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyFile:
    """The content of a study's file.

    Args:
        mapping: The content merged with the shared file; not checked yet, so it may be anything.
        text: The same as YAML; the file's own text if it extends no other file.
        own: The content of the file alone.
        shared: The content of the file it extends.
        shared_from: The name of the extended file in messages.
    """

    mapping: Any
    text: str
    own: Any
    shared: Mapping[Any, Any]
    shared_from: str = ""

    def attributed(self, faults: Iterable[Fault]) -> tuple[Fault, ...]:
        """The faults; those in values of the shared file name that file."""
        return tuple(
            _from(self.shared_from, fault)
            if _depth(self.shared, fault.path) > _depth(self.own, fault.path)
            else fault
            for fault in faults
        )


def read_study_file(path: Path) -> StudyFile:
    """Reads a study's file and the file it extends.

    Raises:
        SpecError: If a file is missing or cannot be read, or if the shared file extends another.
    """
    own = read_yaml_file(path)
    if not isinstance(own, Mapping) or EXTENDS not in own:
        return StudyFile(mapping=own, text=path.read_text(encoding="utf-8"), own=own, shared={})
    shared_path = _shared_file(own[EXTENDS], beside=path.parent)
    shared_from = "/".join(shared_path.parts[-2:])
    try:
        shared = read_yaml_file(shared_path)
    except SpecError as error:
        raise SpecError(*(_from(shared_from, fault) for fault in error.faults)) from error
    if not isinstance(shared, Mapping):
        raise SpecError(Fault(EXTENDS, f"expected a mapping in {shared_from}, got {show(shared)}"))
    if EXTENDS in shared:
        what = f"{shared_from} extends another file, {shared[EXTENDS]}"
        raise SpecError(Fault(EXTENDS, what, "name one file that holds all shared parts"))
    mapping = merged(shared, {key: value for key, value in own.items() if key != EXTENDS})
    # The study's own order of keys; keys that only the shared file has come last.
    mapping = {key: mapping[key] for key in (*own, *mapping) if key in mapping}
    # The merged content is stored beside the results, so the text says where it comes from.
    head = f"# {path.name}, with the parts it shares in {shared_from} put in\n"
    text = head + write_yaml(mapping)
    return StudyFile(mapping=mapping, text=text, own=own, shared=shared, shared_from=shared_from)


def shared_files() -> Mapping[str, Path]:
    """The shipped shared files by name."""
    return {path.stem: path for path in sorted((config_folder() / "networks").glob("*.yaml"))}


def merged(below: Mapping[Any, Any], above: Mapping[Any, Any]) -> dict[Any, Any]:
    """Merges two mappings key by key, nested ones too; for other values `above` wins."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            value = merged(under, value)
        result[key] = value
    return result


def _shared_file(name: object, *, beside: Path) -> Path:
    if not isinstance(name, str):
        raise SpecError(Fault(EXTENDS, f"expected a name or a path, got {show(name)}"))
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = beside / expanded(name)
        if not path.is_file():
            what = f"there is no such file: {path}"
            raise SpecError(Fault(EXTENDS, what, "paths are relative to the study's folder"))
        return path
    known = shared_files()
    if name not in known:
        fault = UnknownNameError("network", name, known).faults[0]
        raise SpecError(Fault(EXTENDS, fault.what, f"{fault.hint}; or the path of a YAML file"))
    return known[name]


def _from(name: str, fault: Fault) -> Fault:
    return replace(fault, what=f"{fault.what} (from {name})")


def _depth(value: object, path: str) -> int:
    """How many leading keys of the path exist in the mapping."""
    depth = 0
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            break
        depth, value = depth + 1, value[key]
    return depth
