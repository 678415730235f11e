"""Runs of a study as MLflow has them; the only module of the dashboards that imports mlflow."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.home import Home, masked
from orchestrator.mlflow_reader.client_environment import CLIENT_DEFAULTS
from orchestrator.mlflow_reader.gc_pause import uncollected
from orchestrator.mlflow_reader.pages import LARGEST_PAGE, whole

os.environ.update({**CLIENT_DEFAULTS, **os.environ})

import mlflow
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException


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


@dataclass(frozen=True, slots=True)
class CellRun:
    """A finished cell.

    Args:
        run_id: MLflow's run.
        labels: Axis name to label.
        metrics: Summaries, and the last point of each curve.
        name: Its labels, for people.
        params: What was trained, flat.
        ended_ms: When it was finished, in milliseconds since the epoch.
        weights_sha256: Digest of what it ended with; empty if a scheduler stopped it.
    """

    run_id: str
    labels: Mapping[str, str]
    metrics: Mapping[str, float]
    name: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    ended_ms: int = 0
    weights_sha256: str = ""


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
    cells: tuple[CellRun, ...]
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
    """
    uri = tracking_uri or Home.at().tracking_uri
    name = study if isinstance(study, str) else study.name
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    database = Home.at(None, uri).database
    if database is not None and not database.exists():
        raise NoResultsError(f"there are no results in {database}")
    client = mlflow.MlflowClient(tracking_uri=uri)
    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise NoResultsError(f"{masked(uri)} has no results of a study '{name}'")
        variants = _search(client, experiment.experiment_id, {vocabulary.KIND: vocabulary.PARENT})
        cells = _search(
            client,
            experiment.experiment_id,
            {vocabulary.KIND: vocabulary.CELL, vocabulary.STATE: vocabulary.FINISHED},
        )
    except MlflowException as error:
        raise NoResultsError(masked(f"{uri} does not answer: {error}")) from error
    asked, may_fall_back = _asked(study, variants)
    candidates = [run for run in variants if _variant(run) == asked]
    if may_fall_back:
        candidates += sorted(variants, key=lambda run: -run.info.start_time)
    for run in candidates:
        with uncollected():
            own = tuple(_cell(cell) for cell in cells if _variant(cell) == _variant(run))
        if own:
            return StudyRuns(
                study=name,
                title=run.info.run_name or name,
                experiment_id=experiment.experiment_id,
                run_id=run.info.run_id,
                tags=run.data.tags,
                cells=own,
                is_asked=_variant(run) == asked,
            )
    known = ", ".join(run.info.run_name for run in variants) or "none"
    raise NoResultsError(f"no cell of '{name}' is finished like this; recorded: {known}")


def _asked(study: str | StudyLike, variants: Sequence[Run]) -> tuple[str | None, bool]:
    """The variant that is meant, and whether another one will do."""
    if isinstance(study, str):
        plain = [run for run in variants if _is_plain(run.data.tags)]
        return (_variant(plain[-1]) if plain else None), True
    return study.variant_id, study.is_plain


def _is_plain(tags: Mapping[str, str]) -> bool:
    return all(tags.get(key, "") in vocabulary.UNSET for key in vocabulary.VARIANT_TAGS)


def _variant(run: Run) -> str:
    return str(run.data.tags.get(vocabulary.VARIANT, ""))


def _cell(run: Run) -> CellRun:
    prefix = vocabulary.LABEL.format(axis="")
    tags = run.data.tags
    labels = {key.removeprefix(prefix): tags[key] for key in tags if key.startswith(prefix)}
    return CellRun(
        run.info.run_id,
        labels,
        dict(run.data.metrics),
        name=run.info.run_name or "",
        params=dict(run.data.params),
        ended_ms=run.info.end_time or 0,
        weights_sha256=tags.get(vocabulary.WEIGHTS_SHA256, ""),
    )


def _search(client: mlflow.MlflowClient, experiment: str, tags: Mapping[str, str]) -> list[Run]:
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return whole(
        lambda token: client.search_runs(
            [experiment],
            filter_string=wanted,
            run_view_type=ViewType.ACTIVE_ONLY,
            max_results=LARGEST_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
    )
