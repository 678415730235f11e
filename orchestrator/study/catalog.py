"""Finds and loads a study by its name or the path of its file."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import OrchestratorError
from orchestrator.study.file import StudyFile, read_study_file
from orchestrator.study.given import Given
from orchestrator.study.overrides import AS_PUBLISHED, overridden, with_published
from orchestrator.study.shipped import config_folder
from orchestrator.study.variant import Variant, checked_scale
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.paths import expanded

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec

STAGE_NAMES = ("sensitivity", "lr", "full")
"""The stages of a network's protocol, in order; each is a study named `NETWORK-STAGE`."""


class StudyError(SpecError, OrchestratorError):
    """A study has faults and cannot be used.

    Args:
        source: The study's name or the path of its file.
        faults: What is wrong.
        in_file: Whether `validate` finds the faults again.
        flags: The flags with which it does.
    """

    def __init__(
        self, source: str, *faults: Fault | str, in_file: bool = False, flags: Sequence[str] = ()
    ) -> None:
        super().__init__(*faults)
        self.source = source
        if in_file:
            self.hint = (
                f"check again with: bnn-orchestrate validate {shlex.join([source, *flags])}"
            )


def study_files() -> Mapping[str, Path]:
    """The shipped studies by name."""
    return {path.stem: path for path in sorted((config_folder() / "studies").glob("*.yaml"))}


def load_study(
    name_or_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    seeds: Sequence[int] | None = None,
    epoch_scale: str | float | None = None,
    given: Given | None = None,
    as_published: bool = False,
    apart: str = "",
    check_trials: bool = True,
) -> "StudySpec":
    """Reads a study, applies the changes asked for, and checks it with all its trials.

    Args:
        name_or_path: A shipped study's name, or the path of a YAML file.
        overrides: Texts `key.path=value`, as for `--set`.
        seeds: Seeds that replace the study's own.
        epoch_scale: Factor in (0, 1] on every number of epochs; None or 1: no scaling.
        given: Results of an earlier study; they replace the study's key `given`.
        as_published: Apply the study's key `as_published` before the overrides.
        apart: A name that keeps its cells apart from others; empty: not kept apart.
        check_trials: Check each trial too. This is slow for thousands of trials, and not needed
            to read recorded results.

    Raises:
        StudyError: With every fault of the study and its trials.
    """
    try:
        variant = Variant(
            as_published=as_published,
            overrides=tuple(overrides),
            given=given or Given(),
            epoch_scale=checked_scale(epoch_scale),
            apart=apart,
        )
    except SpecError as error:
        raise StudyError(str(name_or_path), *error.faults) from error
    return load_variant(
        name_or_path, variant, seeds=seeds, check_trials=check_trials, is_given=given is not None
    )


def load_variant(
    name_or_path: str | Path,
    variant: Variant,
    *,
    seeds: Sequence[int] | None = None,
    check_trials: bool = True,
    is_given: bool = False,
) -> "StudySpec":
    """Loads and checks a variant of a study.

    Args:
        name_or_path: As for `load_study`.
        variant: How the study differs from its file.
        seeds: Seeds that replace the study's own.
        check_trials: As for `load_study`.
        is_given: Whether `variant.given` replaces the study's key `given` even if it is empty;
            otherwise an empty one keeps that key.

    Raises:
        StudyError: With every fault of the study and its trials.
    """
    path = find_study(name_or_path)
    # Only here, so that finding a study does not wait for torch.
    from orchestrator.study.expansion import expand
    from orchestrator.study.spec import StudySpec

    is_from_file = not variant.overrides and not variant.as_published
    file: StudyFile | None = None
    try:
        file = read_study_file(path)
        mapping = file.mapping
        if variant.as_published:
            mapping = _published(mapping)
        if variant.overrides and isinstance(mapping, Mapping):
            mapping = overridden(mapping, variant.overrides)
        if (variant.given or is_given) and isinstance(mapping, Mapping):
            mapping = {**mapping, "given": variant.given.to_mapping()}
        study = StudySpec.from_mapping(mapping, source=path, changed=_changed(variant, file))
        variant = replace(variant, given=study.variant.given)
        study = replace(study, text=file.text, variant=variant)
        if seeds is not None:
            study = study.with_seeds(_checked_seeds(seeds))
        if check_trials:
            expand(study)
        if check_trials and is_from_file and AS_PUBLISHED in mapping:
            _check_published(mapping)
    except SpecError as error:
        # With overrides a fault may come from the command line, not from the file.
        faults = file.attributed(error.faults) if file and is_from_file else error.faults
        flags = tuple(_flags(variant, seeds))
        raise StudyError(str(name_or_path), *faults, in_file=is_from_file, flags=flags) from error
    return study


def _changed(variant: Variant, file: "StudyFile") -> list[str]:
    """Paths of the keys that a variant changes."""
    published = file.mapping.get(AS_PUBLISHED) if isinstance(file.mapping, Mapping) else None
    own = published if variant.as_published and isinstance(published, Mapping) else {}
    return [*map(str, own), *(text.partition("=")[0].strip() for text in variant.overrides)]


def find_study(name_or_path: str | Path) -> Path:
    """The path of a shipped study's file, or the given path itself.

    Raises:
        StudyError: If there is no such study or file.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        try:
            path = expanded(text)
        except SpecError as unknown:
            raise StudyError(text, *unknown.faults) from unknown
        if path.is_file():
            return path
        if path.is_dir():
            raise StudyError(text, Fault("", "this is a folder; name a YAML file in it"))
        raise StudyError(text, Fault("", "there is no such file"))
    known = study_files()
    if text not in known:
        raise unknown_study(text)
    return known[text]


def unknown_study(name: str, *, networks: Iterable[str] | None = None) -> StudyError:
    """What is wrong with a name that no study has, and what to type in its place.

    Args:
        name: As typed; no path.
        networks: Names that would do as well; None: only a study will do.
    """
    beside = [path for path in (f"./{name}.yaml", f"./{name}.yml") if Path(path).is_file()]
    if beside:
        hint = f"a study in a file goes by its path: {beside[0]}"
        return StudyError(name, Fault("", f"unknown study '{name}'", hint))
    known = study_files()
    there = [f"{name}-{stage}" for stage in STAGE_NAMES if f"{name}-{stage}" in known]
    if there and len(there) < len(STAGE_NAMES):
        what = f"'{name}' is a network without a complete protocol, not a study"
        return StudyError(name, Fault("", what, f"its studies: {', '.join(there)}"))
    if there:
        hint = f"all of its stages: `protocol {name}`; one: `sweep {name}-{STAGE_NAMES[0]}`"
        return StudyError(name, Fault("", f"'{name}' is a network, not a study", hint))
    kind = "study" if networks is None else "study or network"
    error = UnknownNameError(kind, name, (*known, *(networks or ())))
    hint = f"{error.faults[0].hint}; or the path of a YAML file"
    return StudyError(name, Fault("", error.faults[0].what, hint))


def _published(mapping: object) -> object:
    if isinstance(mapping, Mapping) and AS_PUBLISHED not in mapping:
        known = ", ".join(_having_published()) or "none"
        what = "the study does not say how it was published: it has no key as_published"
        raise SpecError(Fault("--as-published", what, f"studies that have it: {known}"))
    return with_published(mapping) if isinstance(mapping, Mapping) else mapping


def _having_published() -> Iterable[str]:
    for name, path in study_files().items():
        mapping = read_study_file(path).mapping
        if isinstance(mapping, Mapping) and AS_PUBLISHED in mapping:
            yield name


def _check_published(mapping: Mapping[Any, Any]) -> None:
    """Checks that the study is valid with its `as_published` values, too."""
    from orchestrator.study.expansion import expand
    from orchestrator.study.spec import StudySpec

    changed = with_published(mapping)
    try:
        expand(StudySpec.from_mapping(changed))
    except SpecError as error:
        raise SpecError(*error.under(AS_PUBLISHED)) from error


def _flags(variant: Variant, seeds: Sequence[int] | None) -> Iterable[str]:
    """The flags of `validate` that change a study's trials, but not its text.

    A value such as -1 must stand in the same word as its flag.
    """
    if seeds is not None:
        yield f"--seeds={','.join(map(str, seeds))}"
    if variant.epoch_scale:
        yield f"--scale-epochs={variant.epoch_scale}"


def _checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        what = f"expected different seeds, 0 or more each, got {list(seeds)}"
        raise SpecError(Fault("--seeds", what))
    return tuple(seeds)
