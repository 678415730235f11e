"""A cell and a study's variant as their MLflow runs tell of them; pure.

This is the one place that knows which tag of a run means what to a reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator import vocabulary


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedCell:
    """A cell as it is recorded, whatever its state.

    Args:
        run_id: MLflow's run; empty where only the journal has the cell.
        name: Its labels, for people.
        key: The unique key of the cell.
        trial: Content id of its trial.
        variant: The variant of the study it belongs to.
        labels: Axis name to label.
        state: How far it is.
        params: What was trained, flat.
        metrics: Summaries, and the last point of each curve.
        code: Fingerprint of the code that trained it; empty: not known.
        commit: The commit of that code; empty: not known.
        weights_sha256: Digest of what it ended with; empty if a scheduler stopped it.
        is_stopped_early: Whether a scheduler did.
        ended_ms: When it was finished, in milliseconds since the epoch.
    """

    run_id: str
    name: str = ""
    key: str = ""
    trial: str = ""
    variant: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    state: str = vocabulary.RUNNING
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    code: str = ""
    commit: str = ""
    weights_sha256: str = ""
    is_stopped_early: bool = False
    ended_ms: int = 0

    @property
    def objective(self) -> float | None:
        """The validation error of its selected epoch; None before there is one."""
        return self.metrics.get(OBJECTIVE)


OBJECTIVE = f"{vocabulary.SELECTED}/validation_error"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedVariant:
    """One variant of a study as it is recorded.

    Args:
        experiment_id: MLflow's experiment, that of the study.
        run_id: MLflow's run of the variant.
        title: The study's name, and in what the variant differs from its file.
        tags: Of that run.
        started_ms: When it was begun, in milliseconds since the epoch.
    """

    experiment_id: str
    run_id: str
    title: str
    tags: Mapping[str, str]
    started_ms: int

    @property
    def id(self) -> str:
        """What its cells have in common, hashed."""
        return self.tags.get(vocabulary.VARIANT, "")

    @property
    def is_plain(self) -> bool:
        """Whether it is as the study's file has it."""
        return all(self.tags.get(key, "") in vocabulary.UNSET for key in vocabulary.VARIANT_TAGS)


def recorded_cell(
    tags: Mapping[str, str],
    *,
    run_id: str,
    name: str,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    ended_ms: int = 0,
) -> RecordedCell:
    """The cell that a run, or what will be one, tells of.

    Args:
        tags: Of the run.
        run_id: As `RecordedCell` takes it, and so are the others.
        name: Of the run.
        params: Of the run.
        metrics: The last value of each.
        ended_ms: When the run ended.
    """
    return RecordedCell(
        run_id=run_id,
        name=name,
        key=tags.get(vocabulary.CELL_KEY, ""),
        trial=tags.get(vocabulary.TRIAL, ""),
        variant=tags.get(vocabulary.VARIANT, ""),
        labels=labels_of(tags),
        state=tags.get(vocabulary.STATE, vocabulary.RUNNING),
        params=params,
        metrics=metrics,
        code=tags.get(vocabulary.CODE, ""),
        commit=tags.get(vocabulary.GIT_COMMIT, ""),
        weights_sha256=tags.get(vocabulary.WEIGHTS_SHA256, ""),
        is_stopped_early=vocabulary.STOPPED_EARLY in tags,
        ended_ms=ended_ms,
    )


def labels_of(tags: Mapping[str, str]) -> dict[str, str]:
    """A cell's place in its study: axis name to label."""
    prefix = vocabulary.LABEL.format(axis="")
    return {key.removeprefix(prefix): tags[key] for key in tags if key.startswith(prefix)}
