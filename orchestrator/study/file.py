"""A study's file as plain values: what it says itself, over what it shares with other studies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from orchestrator.study.shipped import config_folder
from orchestrator.study.yaml import read_yaml_file
from trainers.binding import show
from trainers.errors import Fault, SpecError, UnknownNameError

EXTENDS = "extends"
"""The key of a study that names a file of shared parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyFile:
    """What a study's file says.

    Args:
        mapping: All of it, shared parts put in; not checked yet, so it may be anything.
        text: The same as YAML; the file's own text where it shares nothing.
        own: What the file itself says.
        shared: What the file it extends says.
        shared_from: How that file is called in messages.
    """

    mapping: Any
    text: str
    own: Any
    shared: Mapping[Any, Any]
    shared_from: str = ""

    def attributed(self, faults: Iterable[Fault]) -> tuple[Fault, ...]:
        """The faults; those of values that only the shared file has say where they come from."""
        return tuple(
            _from(self.shared_from, fault)
            if _depth(self.shared, fault.path) > _depth(self.own, fault.path)
            else fault
            for fault in faults
        )


def read_study_file(path: Path) -> StudyFile:
    """A study's file, and what it extends.

    Raises:
        SpecError: If one of the files cannot be read, is not there, or extends another itself.
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
        raise SpecError(Fault(EXTENDS, f"{shared_from} holds no mapping, but {show(shared)}"))
    if EXTENDS in shared:
        what = f"{shared_from} extends {shared[EXTENDS]} itself"
        raise SpecError(Fault(EXTENDS, what, "name one file that holds all shared parts"))
    mapping = merged(shared, {key: value for key, value in own.items() if key != EXTENDS})
    # In the order of the study itself; what only the shared file has comes last.
    mapping = {key: mapping[key] for key in (*own, *mapping) if key in mapping}
    # What the two files say together, for whoever finds it beside the results.
    head = f"# {path.name}, with the parts it shares in {shared_from} put in\n"
    body = yaml.safe_dump(
        mapping, sort_keys=False, default_flow_style=None, width=99, allow_unicode=True
    )
    return StudyFile(
        mapping=mapping, text=head + body, own=own, shared=shared, shared_from=shared_from
    )


def shared_files() -> Mapping[str, Path]:
    """The shipped files of shared parts by name."""
    return {path.stem: path for path in sorted((config_folder() / "networks").glob("*.yaml"))}


def merged(below: Mapping[Any, Any], above: Mapping[Any, Any]) -> dict[Any, Any]:
    """Both mappings in one, key by key; of anything but mappings the one above counts."""
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
        path = beside / name
        if not path.is_file():
            what = f"there is no such file: {path}"
            raise SpecError(Fault(EXTENDS, what, "a path counts from the study's own folder"))
        return path
    known = shared_files()
    if name not in known:
        fault = UnknownNameError("network", name, known).faults[0]
        raise SpecError(Fault(EXTENDS, fault.what, f"{fault.hint}; or the path of a YAML file"))
    return known[name]


def _from(name: str, fault: Fault) -> Fault:
    return replace(fault, what=f"{fault.what} (from {name})")


def _depth(value: object, path: str) -> int:
    """How many keys of the path lead through the mapping."""
    depth = 0
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            break
        depth, value = depth + 1, value[key]
    return depth
