"""MLflow as the store of studies and cells; the only module here that imports it.

Nothing in it is called by a worker, nor from Ray Tune's loop.
"""

import json
import logging
import os
import sqlite3
import tempfile
import urllib.parse
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import vocabulary
from orchestrator.cells import study_title
from orchestrator.home import Home
from orchestrator.journal import CellDescription, Point
from orchestrator.study import StudySpec

# Read when mlflow is imported. A call must fail soon: the journal keeps what could not be sent.
os.environ.update(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        **os.environ,
    }
)

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import (
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS
from sqlalchemy.exc import SQLAlchemyError

MOST_POINTS = 1000
"""MLflow's limit on the metrics of one request."""
_PAGE = 1000
_STATUS = {
    vocabulary.FINISHED: RunStatus.to_string(RunStatus.FINISHED),
    vocabulary.FAILED: RunStatus.to_string(RunStatus.FAILED),
    vocabulary.INTERRUPTED: RunStatus.to_string(RunStatus.KILLED),
    vocabulary.RUNNING: RunStatus.to_string(RunStatus.RUNNING),
}


class StoreError(RuntimeError):
    """MLflow cannot be used, or did not answer."""


@dataclass(frozen=True, slots=True)
class RecordedCell:
    """A cell that MLflow knows."""

    run_id: str
    key: str
    trial: str
    labels: Mapping[str, str]
    state: str
    name: str
    objective: float | None


class Store:
    """One MLflow store.

    Args:
        home: Names the store, and where artifacts of an embedded one lie.

    Raises:
        StoreError: If it cannot be opened or does not answer.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        for name in ("mlflow", "alembic", "sqlalchemy"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if home.database is not None:
            home.database.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.client = mlflow.MlflowClient(tracking_uri=home.tracking_uri)
            # The first call makes the tables of a fresh database; nobody else is there yet.
            self.client.search_experiments(max_results=1)
            if home.database is not None:
                with sqlite3.connect(home.database) as database:
                    database.execute("PRAGMA journal_mode=WAL")
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise StoreError(f"{home.tracking_uri}: {_first_line(error)}") from error

    def find_study(self, study: StudySpec) -> str | None:
        """Id of the study's experiment; None if there is none yet.

        Raises:
            StoreError: If somebody deleted it.
        """
        found = self.client.get_experiment_by_name(study.name)
        if found is None:
            return None
        if found.lifecycle_stage == "deleted":
            what = f"the experiment '{study.name}' was deleted in MLflow"
            raise StoreError(f"{what}; restore it there, or use another --home")
        return str(found.experiment_id)

    def open_study(self, study: StudySpec, tags: Mapping[str, str]) -> tuple[str, str]:
        """Ids of the study's experiment and of the run of this variant; made if need be.

        Args:
            study: The study.
            tags: Put on the run of the study, beside those that find it.
        """
        experiment_id = self._experiment(study)
        finds = {
            vocabulary.KIND: vocabulary.PARENT,
            vocabulary.STUDY: study.name,
            vocabulary.VARIANT: study.variant,
        }
        runs = self._runs([experiment_id], finds)
        if runs:
            run_id = runs[0].info.run_id
            for key, value in tags.items():
                self.client.set_tag(run_id, key, value)
        else:
            run = self.client.create_run(
                experiment_id, run_name=study_title(study), tags={**finds, **tags}
            )
            run_id = run.info.run_id
        return experiment_id, str(run_id)

    def cells(self, experiment_id: str, variant: str) -> list[RecordedCell]:
        """The cells of a study's variant, whatever their state."""
        wanted = {vocabulary.KIND: vocabulary.CELL, vocabulary.VARIANT: variant}
        return [_recorded(run) for run in self._runs([experiment_id], wanted)]

    def finished_elsewhere(self, trials: Collection[str]) -> dict[str, str]:
        """Run ids of finished cells of these trials, in whichever study, by trial id.

        Those that a scheduler stopped early do not count: they are no results of the trial.
        """
        if not trials:
            return {}
        experiments = [experiment.experiment_id for experiment in self._experiments()]
        wanted = {
            vocabulary.KIND: vocabulary.CELL,
            vocabulary.STATE: vocabulary.FINISHED,
        }
        runs = self._runs(experiments, wanted) if experiments else []
        found = {
            run.data.tags[vocabulary.TRIAL]: run.info.run_id
            for run in runs
            if vocabulary.STOPPED_EARLY not in run.data.tags
        }
        return {trial: found[trial] for trial in trials if trial in found}

    def find_cell(self, description: CellDescription) -> str | None:
        """The run of a cell; of twins, which a lost answer can leave behind, the older one."""
        # MLflow's filters cannot quote every label, so the key is compared here.
        tags = {key: description.tags[key] for key in (vocabulary.VARIANT, vocabulary.TRIAL)}
        runs = [
            run
            for run in self._runs([description.experiment_id], tags)
            if run.data.tags.get(vocabulary.CELL_KEY) == description.cell
        ]
        runs.sort(key=lambda run: (run.info.start_time, run.info.run_id))
        for twin in runs[1:]:
            self.client.delete_run(twin.info.run_id)
        return runs[0].info.run_id if runs else None

    def create_cell(self, description: CellDescription) -> str:
        """A new run for a cell; its params and tags are set."""
        run = self.client.create_run(
            description.experiment_id,
            run_name=description.name,
            tags={**description.tags, "mlflow.parentRunId": description.parent_run_id},
        )
        params = [Param(key, value) for key, value in description.params.items()]
        self.client.log_batch(run.info.run_id, params=params)
        # MLflow's own retry after a lost answer may have made another one.
        return self.find_cell(description) or str(run.info.run_id)

    def log_points(self, run_id: str, points: Sequence[Point]) -> None:
        """At most `MOST_POINTS` points; sending the same ones twice changes nothing."""
        metrics = [Metric(p.key, p.value, p.time_ms, p.step) for p in points]
        self.client.log_batch(run_id, metrics=metrics)

    def points_of(self, run_id: str) -> list[Point]:
        """Every point of a run."""
        run = self.client.get_run(run_id)
        return [
            Point(metric.key, metric.step, metric.value, metric.timestamp)
            for key in run.data.metrics
            for metric in self.client.get_metric_history(run_id, key)
        ]

    def tags_of(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""
        return dict(self.client.get_run(run_id).data.tags)

    def is_gone(self, run_id: str) -> bool:
        """Whether somebody deleted the run."""
        try:
            return bool(self.client.get_run(run_id).info.lifecycle_stage == "deleted")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return True
            raise

    def set_state(self, run_id: str, state: str, tags: Mapping[str, str]) -> None:
        """The state of a cell, and what else is known now."""
        if state != vocabulary.FAILED and vocabulary.REASON in self.tags_of(run_id):
            # It failed before, and was tried again.
            self.client.delete_tag(run_id, vocabulary.REASON)
        batch = [RunTag(key, value) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=[*batch, RunTag(vocabulary.STATE, state)])
        if state == vocabulary.RUNNING:
            self.client.update_run(run_id, status=_STATUS[state])
        else:
            self.client.set_terminated(run_id, status=_STATUS[state])

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """A text file among a run's artifacts."""
        self.client.log_text(run_id, text, name)

    def log_table(self, run_id: str, table: pd.DataFrame, name: str) -> None:
        """A table among a run's artifacts, in the form that MLflow's pages show as one.

        MLflow's own `log_table` appends to a table that is there; this one replaces it.
        """
        path = f"{name}.json"
        self.log_text(run_id, table.to_json(orient="split", index=False), path)
        tagged = json.loads(self.tags_of(run_id).get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        entry = {"path": path, "type": "table"}
        if entry not in tagged:
            self.client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*tagged, entry]))

    def log_values(self, run_id: str, values: Mapping[str, float], time_ms: int) -> None:
        """Summary metrics of a study, at step 0; one that changed follows the earlier one."""
        known = self.client.get_run(run_id).data.metrics
        metrics = [
            Metric(key, value, time_ms, 0)
            for key, value in values.items()
            if known.get(key) != value
        ]
        for start in range(0, len(metrics), MOST_POINTS):
            self.client.log_batch(run_id, metrics=metrics[start : start + MOST_POINTS])

    def cell_tags(self, run_id: str) -> dict[str, str]:
        """The tags of a finished cell's run.

        Raises:
            StoreError: If there is no such run, or it is no finished cell.
        """
        try:
            tags = self.tags_of(run_id)
        except MlflowException as error:
            raise StoreError(f"{self.home.tracking_uri} has no run '{run_id}'") from error
        if tags.get(vocabulary.KIND) != vocabulary.CELL:
            raise StoreError(f"the run '{run_id}' is no cell of a study")
        if tags.get(vocabulary.STATE) != vocabulary.FINISHED:
            state = tags.get(vocabulary.STATE, vocabulary.RUNNING)
            raise StoreError(f"the cell of run '{run_id}' is {state}, not finished")
        return tags

    def log_network(
        self, run_id: str, file: Path, *, shape: Sequence[int], num_classes: int
    ) -> str:
        """Records an exported network as a model of its run; the URI to load or serve it by.

        The model is a folder with the file and what MLflow needs to load it; nothing is pickled.

        Args:
            run_id: The run.
            file: The network, packed.
            shape: Channels, height, width of an image.
            num_classes: How many scores there are of each.
        """
        number = np.dtype("float32")
        signature = ModelSignature(
            inputs=Schema([TensorSpec(number, (-1, *shape))]),
            outputs=Schema([TensorSpec(number, (-1, num_classes))]),
        )
        run = self.client.get_run(run_id)
        model = self.client.create_logged_model(
            run.info.experiment_id, vocabulary.NETWORK_MODEL, source_run_id=run_id
        )
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # It would rather have an example of the input than its shape.
            warnings.simplefilter("ignore", UserWarning)
            mlflow.pyfunc.save_model(
                Path(folder, "model"),
                loader_module="orchestrator.flavour",
                data_path=str(file),
                signature=signature,
                pip_requirements=["bnn-orchestrate"],
                mlflow_model=Model(run_id=run_id, model_id=model.model_id),
            )
            self.client.log_model_artifacts(model.model_id, str(Path(folder, "model")))
        self.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        self.client.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0)])
        return str(model.model_uri)

    def log_file(self, run_id: str, file: Path) -> None:
        """A file among a run's artifacts."""
        self.client.log_artifact(run_id, str(file))

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tags of a run; those that are there are replaced."""
        batch = [RunTag(key, value) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=batch)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """A tag of an experiment; replaced if it is there."""
        self.client.set_experiment_tag(experiment_id, key, value)

    def _experiment(self, study: StudySpec) -> str:
        found = self.find_study(study)
        if found is not None:
            return found
        location = None
        if self.home.database is not None:
            folder = urllib.parse.quote(str(self.home.artifacts / study.name))
            location = f"file://{folder}"
        tags = {"mlflow.note.content": study.question, vocabulary.STUDY: study.name}
        return str(self.client.create_experiment(study.name, location, tags=tags))

    def _experiments(self) -> Iterable[mlflow.entities.Experiment]:
        wanted = f"tags.`{vocabulary.STUDY}` != ''"
        page = self.client.search_experiments(filter_string=wanted, max_results=_PAGE)
        yield from page
        while page.token:
            page = self.client.search_experiments(
                filter_string=wanted, max_results=_PAGE, page_token=page.token
            )
            yield from page

    def _runs(self, experiments: Sequence[str], tags: Mapping[str, str]) -> list[Run]:
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                list(experiments),
                filter_string=wanted,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=_PAGE,
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                return runs


def _recorded(run: Run) -> RecordedCell:
    tags = run.data.tags
    prefix = vocabulary.LABEL.format(axis="")
    return RecordedCell(
        run_id=run.info.run_id,
        key=tags[vocabulary.CELL_KEY],
        trial=tags[vocabulary.TRIAL],
        labels={key.removeprefix(prefix): tags[key] for key in tags if key.startswith(prefix)},
        state=tags.get(vocabulary.STATE, vocabulary.RUNNING),
        name=run.info.run_name or "",
        objective=run.data.metrics.get(f"{vocabulary.SELECTED}/validation_error"),
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
