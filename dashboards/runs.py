"""The recorded cells of a study, and which variant of it they belong to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.home import Home
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant
from orchestrator.mlflow_reader.reader import Reader, told


class NoResultsError(OrchestratorError):
    """The store holds nothing that was asked for."""


@runtime_checkable
class StudyLike(Protocol):
    """What identifies a study's results: its name, and the variant that overrides make of it."""

    @property
    def name(self) -> str:
        """The study's name."""
        ...

    @property
    def variant_id(self) -> str:
        """Hash of what its cells have in common."""
        ...

    @property
    def is_plain(self) -> bool:
        """Whether it is as its file has it."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRuns:
    """One variant of a study, as recorded.

    Args:
        study: Its name.
        title: Its name, and in what it differs from its file.
        experiment_id: MLflow's experiment.
        run_id: MLflow's run of the variant.
        tags: Of that run.
        cells: The finished cells.
        is_asked: Whether it is the variant that was asked for, and not the newest for want of it.
    """

    study: str
    title: str
    experiment_id: str
    run_id: str
    tags: Mapping[str, str]
    cells: tuple[RecordedCell, ...]
    is_asked: bool

    def labels(self) -> list[str]:
        """Labels of the rows in the study's order."""
        labels: list[str] = json.loads(self.tags.get(vocabulary.ROWS, "[]"))
        return labels

    def also(self) -> list[str]:
        """Further metrics that the study shows beside its own."""
        names: list[str] = json.loads(self.tags.get(vocabulary.ALSO, "[]"))
        return names


def study_runs(study: str | StudyLike, tracking_uri: str | None = None) -> StudyRuns:
    """The recorded cells of a study.

    Args:
        study: A name, for the study as its file has it; or a study, for that variant. Where that
            has no finished cell and nothing was overridden, the newest variant that has.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else the one in the home.

    Raises:
        NoResultsError: If there is no finished cell.
        StoreError: If the store cannot be read.
    """
    home = Home.at(None, tracking_uri)
    name = study if isinstance(study, str) else study.name
    if home.database is not None and not home.database.exists():
        raise NoResultsError(f"there are no results in {home.database}")
    with told(home.tracking_uri):
        reader = Reader(home.tracking_uri)
        experiment = reader.find_study(name)
        if experiment is None:
            raise NoResultsError(f"{home.shown_uri} has no results of a study '{name}'")
        variants = reader.variants([experiment.experiment_id])
        finished = {vocabulary.STATE: vocabulary.FINISHED}
        cells = reader.cells([experiment.experiment_id], finished)
    asked, may_fall_back = _asked(study, variants)
    candidates = [variant for variant in variants if variant.id == asked]
    if may_fall_back:
        candidates += sorted(variants, key=lambda variant: -variant.started_ms)
    for variant in candidates:
        own = tuple(cell for cell in cells if cell.variant == variant.id)
        if own:
            return StudyRuns(
                study=name,
                title=variant.title or name,
                experiment_id=variant.experiment_id,
                run_id=variant.run_id,
                tags=variant.tags,
                cells=own,
                is_asked=variant.id == asked,
            )
    known = ", ".join(variant.title for variant in variants) or "none"
    raise NoResultsError(f"no cell of '{name}' is finished like this; recorded: {known}")


def _asked(study: str | StudyLike, variants: Sequence[RecordedVariant]) -> tuple[str | None, bool]:
    """The variant that is meant, and whether another one will do."""
    if isinstance(study, str):
        plain = [variant for variant in variants if variant.is_plain]
        return (plain[-1].id if plain else None), True
    return study.variant_id, study.is_plain
