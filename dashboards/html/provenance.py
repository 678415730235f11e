"""What one needs to repeat a study, as its runs recorded it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards.runs import StudyRuns
from orchestrator import vocabulary

PROGRAM = "bnn-orchestrate"
STUDY_FILE = "study.yaml"
"""The study's file, beside its report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where results come from.

    Args:
        commands: What one types to have them again.
        note: What the commands do not say; empty: nothing.
        facts: Name to value: commit, versions, hardware, checksums.
        commits: The commits of all cells; more than one if the code changed meanwhile.
        study_file: The study's file; empty: not recorded.
    """

    commands: Sequence[str]
    note: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    commits: Sequence[str] = ()
    study_file: str = ""


def provenance_of(
    runs: StudyRuns, environment: str, study_file: str, *, is_shipped: bool = True
) -> Provenance:
    """What is known of where the results of a study come from.

    Args:
        runs: The recorded study.
        environment: The text of its artifact with the environment; empty: not recorded.
        study_file: The text of the study's file; empty: not recorded.
        is_shipped: Whether `sweep` finds this file by the study's name.
    """
    tags = runs.tags
    made_with = _mapping(environment)
    study = runs.study if is_shipped or not study_file else f"./{STUDY_FILE}"
    commits = sorted({cell.commit for cell in runs.cells if cell.commit})
    known = commits or [commit for commit in [tags.get(vocabulary.GIT_COMMIT, "")] if commit]
    return Provenance(
        commands=[*(f"git checkout {commit}" for commit in _clean(known)), _sweep(runs, study)],
        note=_note(tags, known, study),
        facts={**_versions(made_with), **_hardware(made_with), **_data(tags)},
        commits=known,
        study_file=study_file,
    )


def provenance_of_stages(stages: Sequence[Provenance], command: str) -> Provenance:
    """What is known of where the results of a protocol come from.

    Args:
        stages: Of each recorded stage, in their order.
        command: What one types to run the protocol.
    """
    commits = sorted({commit for stage in stages for commit in stage.commits})
    return Provenance(
        commands=[*(f"git checkout {commit}" for commit in _clean(stages[-1].commits)), command],
        note=_note({}, commits),
        facts=stages[-1].facts,
        commits=commits,
    )


def _sweep(runs: StudyRuns, study: str) -> str:
    tags = runs.tags
    words = [PROGRAM, "sweep", study]
    if tags.get(vocabulary.AS_PUBLISHED):
        words.append("--as-published")
    for override in _texts(tags.get(vocabulary.OVERRIDES, "")):
        words += ["--set", override]
    for key, flag in ((vocabulary.EPOCH_SCALE, "--scale-epochs"), (vocabulary.APART, "--apart")):
        if value := tags.get(key):
            words += [flag, value]
    if seeds := _seeds(runs):
        words += ["--seeds", ",".join(seeds)]
    return shlex.join(words)


def _seeds(runs: StudyRuns) -> list[str]:
    """The seeds, if the axis that rows are repeated over is one of seeds."""
    over = runs.tags.get(vocabulary.OVER_AXIS, "")
    labels = [cell.labels.get(over, "") for cell in runs.cells]
    is_seed = all(
        label.isdecimal() and cell.params.get("seed") == label
        for cell, label in zip(runs.cells, labels, strict=True)
    )
    return sorted(set(labels), key=int) if is_seed and labels else []


def _note(tags: Mapping[str, str], commits: Sequence[str], study: str = "") -> str:
    notes = []
    if study.endswith(STUDY_FILE):
        notes.append(f"{STUDY_FILE} lies beside this report.")
    if tags.get(vocabulary.GIVEN):
        notes.append("It is a stage of a protocol, with results of earlier stages in it.")
    if any(commit.endswith("-dirty") for commit in commits):
        notes.append("The code had changes that no commit has.")
    if len(commits) > 1:
        notes.append("Its cells were trained by several commits.")
    return " ".join(notes)


def _clean(commits: Sequence[str]) -> list[str]:
    return [commits[-1].removesuffix("-dirty")] if commits else []


def _versions(made_with: Mapping[str, Any]) -> dict[str, str]:
    packages = made_with.get("packages")
    packages = packages if isinstance(packages, dict) else {}
    facts = {"Python": made_with.get("python", ""), **packages}
    return {name: str(value) for name, value in facts.items() if value}


def _hardware(made_with: Mapping[str, Any]) -> dict[str, str]:
    facts = {
        "system": made_with.get("platform", ""),
        "processor": made_with.get("processor", ""),
        "CPUs": made_with.get("num_cpus", ""),
        "GPUs": _listed(made_with.get("gpus", [])),
    }
    memory = made_with.get("memory_bytes")
    if isinstance(memory, int):
        facts["memory"] = f"{memory / 2**30:.0f} GiB"
    return {name: str(value) for name, value in facts.items() if value}


def _data(tags: Mapping[str, str]) -> dict[str, str]:
    facts = {
        "data, SHA-256": tags.get(vocabulary.DATA_SHA256, ""),
        "code": tags.get(vocabulary.CODE, ""),
    }
    return {name: value for name, value in facts.items() if value}


def _listed(values: object) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else ""


def _texts(text: str) -> list[str]:
    try:
        values = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(value) for value in values] if isinstance(values, list) else []


def _mapping(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
