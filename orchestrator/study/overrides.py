"""Changes a study before it is read: `--set key.path=value` and `--as-published`."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.study.axes import FORMS
from orchestrator.study.yaml import read_yaml
from trainers.binding import show
from trainers.errors import Fault, SpecError, did_you_mean

AS_PUBLISHED = "as_published"
"""The key of a study that lists the changes needed to train it as published."""


def overridden(mapping: Mapping[Any, Any], overrides: Iterable[str]) -> dict[Any, Any]:
    """Applies each `key.path=value` to a copy of the study; paths name entries of `axes`.

    Args:
        mapping: The study as plain values.
        overrides: Texts such as `base.optimizer.lr=0.01`; the value is read as YAML.

    Raises:
        SpecError: With every override that is malformed or whose path does not exist.
    """
    changed = copy.deepcopy(dict(mapping))
    faults: list[Fault] = []
    for override in overrides:
        path, equals, text = override.partition("=")
        path = path.strip()
        try:
            if not equals or not path:
                what = "expected key.path=value"
                raise SpecError(Fault("", what, "such as base.optimizer.lr=0.01"))
            set_path(changed, path.split("."), _value(text))
        except SpecError as error:
            faults.extend(error.under(f"--set {override}"))
    if faults:
        raise SpecError(*faults)
    paths = [override.partition("=")[0].strip() for override in overrides]
    _refuse_shadowed(changed, {path: f"--set {path}=..." for path in paths})
    return changed


def _value(text: str) -> Any:
    """Reads a value; its faults have no place of their own, because the flag is shown whole."""
    try:
        return read_yaml(text)
    except SpecError as error:
        faults = [
            Fault(
                "",
                fault.what if fault.path in ("", text.strip()) else f"{fault.path}: {fault.what}",
                fault.hint,
            )
            for fault in error.faults
        ]
        raise SpecError(*faults) from error


def with_published(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    """Applies the study's key `as_published` to a copy of the study.

    Args:
        mapping: The study as plain values; `as_published` maps key paths to values.

    Raises:
        SpecError: If the key is missing or malformed, or if a path does not exist.
    """
    changed = copy.deepcopy(dict(mapping))
    overlay = changed.get(AS_PUBLISHED)
    if not isinstance(overlay, dict) or not overlay or not all(map(_is_path, overlay)):
        what = f"expected key paths and their values, got {show(overlay)}"
        raise SpecError(Fault(AS_PUBLISHED, what, "such as {base.latent_at_eval: reset}"))
    faults: list[Fault] = []
    for path, value in overlay.items():
        try:
            set_path(changed, path.split("."), value)
        except SpecError as error:
            faults.extend(error.under(f"{AS_PUBLISHED}.{path}"))
    if faults:
        raise SpecError(*faults)
    _refuse_shadowed(changed, {path: f"{AS_PUBLISHED}.{path}" for path in overlay})
    return changed


def _is_path(key: object) -> bool:
    return isinstance(key, str) and all(key.split("."))


def set_path(mapping: dict[Any, Any], path: list[str], value: object) -> None:
    """Sets the value at a key path and creates missing mappings on the way.

    Raises:
        SpecError: If the path leads through a plain value, or to an unknown axis.
    """
    here: Any = mapping
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(here, list):
            index = _entry(here, key)
            if last:
                here[index] = value
            else:
                here = here[index]
        elif isinstance(here, dict):
            if last:
                here[key] = value
                continue
            # `optimizer: adam` is short for `optimizer: {name: adam}`.
            if isinstance(here.get(key), str):
                here[key] = {"name": here[key]}
            here = here.setdefault(key, {})
        else:
            what = f"{'.'.join(path[:depth])} is {here!r}, which has no '{key}'"
            raise SpecError(what)


def _entry(entries: list[Any], key: str) -> int:
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(entries):
        return int(key)
    known = [str(name) for name in names if name is not None]
    what = f"there is no '{key}'{did_you_mean(key, known)}"
    raise SpecError(Fault("", what, f"known: {', '.join(known)}"))


def _refuse_shadowed(mapping: Mapping[Any, Any], paths: Mapping[str, str]) -> None:
    """Refuses changes of the base that an axis overwrites in every trial.

    Args:
        mapping: The changed study.
        paths: The changed key paths, and where the user wrote each.
    """
    axes = mapping.get("axes")
    sets: dict[str, tuple[str, str]] = {}
    for axis in axes if isinstance(axes, list) else ():
        if isinstance(axis, Mapping):
            form = next((form for form in FORMS if form in axis), "values")
            for path in _paths_set(axis, form):
                sets[f"base.{path}"] = str(axis.get("name")), form
    faults: list[Fault] = []
    for path, where in paths.items():
        if path in sets:
            axis_name, form = sets[path]
            what = f"does nothing: the axis {axis_name} sets it in every trial"
            hint = "use --seeds" if form == "seeds" else f"set axes.{axis_name}.{form} instead"
            faults.append(Fault(where, what, hint))
    if faults:
        raise SpecError(*faults)


def _paths_set(axis: Mapping[Any, Any], form: str) -> set[str]:
    """The key paths that the axis sets; malformed parts of the file are skipped."""
    if form == "seeds":
        return {"seed"}
    if isinstance(axis.get("sets"), str):
        # These axes also set epochs_per_layer to 0: the layer is binary from the first epoch.
        own = {"layers.epochs_per_layer"} if form == "single_layers" else set()
        return {axis["sets"], *own}
    values = axis.get(form)
    labelled = values.values() if isinstance(values, Mapping) else ()
    return {str(path) for point in labelled if isinstance(point, Mapping) for path in point}
