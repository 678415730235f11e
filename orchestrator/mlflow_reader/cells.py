"""Recorded cells and variants, read from the tags of their MLflow runs; pure.

Only this module knows what each tag of a run means to a reader.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator import vocabulary
from orchestrator.vocabulary import State

log = logging.getLogger(__name__)

SHORTEST_CUT = 5000
"""Characters of a tag that every store of MLflow takes whole."""
PARENT_RUN = "mlflow.parentRunId"
"""MLflow's own tag, by which its pages show a cell under the run of its study."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedCell:
    """A recorded cell, in any state.

    Args:
        run_id: MLflow's run; empty if only the journal has the cell.
        name: Its labels as readable text.
        key: The unique key of the cell.
        trial: The id of its trial.
        variant: The id of its variant of the study.
        labels: Axis name to label.
        state: Its state, such as finished.
        params: The trial's parameters, flat.
        train: The whole trial as JSON; empty: not recorded.
        metrics: Summaries, and the last point of each curve.
        code: Fingerprint of the code that trained it; empty: unknown.
        commit: The commit of that code; empty: unknown.
        data: SHA-256 of each data set of its study when it was trained; empty: unknown.
        weights_sha256: Digest of the final weights; empty if a scheduler stopped it.
        is_stopped_early: Whether a scheduler stopped it.
        parent: The run under which MLflow's pages show it; empty: none.
        ended_ms: When it finished, Unix time in milliseconds.
        started_ms: When its run began, likewise.
        reason: Why it failed; empty: it did not.
    """

    run_id: str
    name: str = ""
    key: str = ""
    trial: str = ""
    variant: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    state: State = State.RUNNING
    params: Mapping[str, str] = field(default_factory=dict)
    train: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    code: str = ""
    commit: str = ""
    data: str = ""
    weights_sha256: str = ""
    is_stopped_early: bool = False
    parent: str = ""
    ended_ms: int = 0
    started_ms: int = 0
    reason: str = ""

    @property
    def objective(self) -> float | None:
        """The validation error of its selected epoch; None if it has none yet."""
        return self.metrics.get(OBJECTIVE)

    @property
    def is_known(self) -> bool:
        """Whether its tags agree on which cell it is; somebody may have changed them in MLflow."""
        place = self.key.partition("/")[2]
        # MLflow cuts a long key.
        ends = place.endswith(f"/{self.trial}") or len(self.key) >= SHORTEST_CUT
        return bool(self.variant and self.trial) and place.startswith(f"{self.variant}/") and ends

    @property
    def is_placed(self) -> bool:
        """Whether its labels are those in its key."""
        if len(self.key) >= SHORTEST_CUT:
            return self.is_known
        labels = [f"{axis}={label}" for axis, label in self.labels.items()]
        if len(",".join(labels)) > vocabulary.LONGEST_LABELS:
            # Of long labels the key has a hash.
            return self.is_known
        place = self.key.removesuffix(f"/{self.trial}").partition(f"/{self.variant}/")[2]
        # Tags come without the order of the axes.
        return len(place) == len(",".join(labels)) and all(label in place for label in labels)

    @property
    def is_complete(self) -> bool:
        """Whether it is finished and has what a sweep says in the end."""
        is_trained = bool(self.weights_sha256) or self.is_stopped_early
        return self.state == State.FINISHED and is_trained

    @property
    def trained(self) -> dict[str, Any]:
        """The trial as plain values; empty: not recorded, or cut or changed in MLflow."""
        try:
            values = json.loads(self.train or "{}")
        except ValueError:
            return {}
        return values if isinstance(values, dict) else {}


OBJECTIVE = f"{vocabulary.SELECTED}/validation_error"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedVariant:
    """A recorded variant of a study.

    Args:
        experiment_id: The study's experiment in MLflow.
        run_id: MLflow's run of the variant.
        title: The study's name, and how the variant differs from its file.
        tags: The tags of that run.
        started_ms: When it started, Unix time in milliseconds.
        status: MLflow's own status of that run, such as FINISHED.
    """

    experiment_id: str
    run_id: str
    title: str
    tags: Mapping[str, str]
    started_ms: int
    status: str = ""

    @property
    def id(self) -> str:
        """Hash of what its cells have in common."""
        return self.tags.get(vocabulary.VARIANT, "")

    @property
    def study(self) -> str:
        """The study's name."""
        return self.tags.get(vocabulary.STUDY, "")

    @property
    def is_finished(self) -> bool:
        """Whether both its tag and MLflow's status say that its last sweep finished it."""
        return state_of(self.tags) == State.FINISHED and self.status == State.FINISHED.upper()

    @property
    def is_plain(self) -> bool:
        """Whether the study is exactly as in its file."""
        return all(self.tags.get(key, "") in vocabulary.UNSET for key in vocabulary.VARIANT_TAGS)


def recorded_cell(
    tags: Mapping[str, str],
    *,
    run_id: str,
    name: str,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    ended_ms: int = 0,
    started_ms: int = 0,
) -> RecordedCell:
    """Makes a recorded cell from a run's values, or from values for a future run.

    Args:
        tags: The run's tags.
        run_id: As for `RecordedCell`.
        name: The run's name.
        params: The run's params.
        metrics: The last value of each metric.
        ended_ms: When the run ended, Unix time in milliseconds.
        started_ms: When it began, likewise.
    """
    return RecordedCell(
        run_id=run_id,
        name=name,
        key=tags.get(vocabulary.CELL_KEY, ""),
        trial=tags.get(vocabulary.TRIAL, ""),
        variant=tags.get(vocabulary.VARIANT, ""),
        labels=labels_of(tags),
        state=state_of(tags),
        params=params,
        train=tags.get(vocabulary.TRAIN, ""),
        metrics=metrics,
        code=tags.get(vocabulary.CODE, ""),
        commit=tags.get(vocabulary.GIT_COMMIT, ""),
        data=tags.get(vocabulary.DATA_SHA256, ""),
        weights_sha256=tags.get(vocabulary.WEIGHTS_SHA256, ""),
        is_stopped_early=vocabulary.STOPPED_EARLY in tags,
        parent=tags.get(PARENT_RUN, ""),
        ended_ms=ended_ms,
        started_ms=started_ms,
        reason=tags.get(vocabulary.REASON, ""),
    )


def state_of(tags: Mapping[str, str]) -> State:
    """How far a cell is; a state that somebody made up is none, and counts as running."""
    text = tags.get(vocabulary.STATE, "")
    return State(text) if text in set(State) else State.RUNNING


def labels_of(tags: Mapping[str, str]) -> dict[str, str]:
    """A cell's place in its study: axis name to label."""
    prefix = vocabulary.LABEL.format(axis="")
    return {key.removeprefix(prefix): tags[key] for key in tags if key.startswith(prefix)}


def counted(cells: Iterable[RecordedCell]) -> list[RecordedCell]:
    """The runs that count as cells: of several with one key a finished one, the oldest.

    Two runs have one key if a run was deleted in MLflow, replaced, and then restored there.

    Args:
        cells: Oldest first.
    """
    chosen: dict[str, RecordedCell] = {}
    for cell in cells:
        if not cell.is_known:
            log.warning(
                "run %s does not count: its tags disagree on which cell it is", cell.run_id
            )
            continue
        other = chosen.get(cell.key)
        if other is None or (other.state != State.FINISHED and cell.state == State.FINISHED):
            chosen[cell.key] = cell
    return list(chosen.values())
