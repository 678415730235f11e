"""Writes studies and cells to MLflow, and reads them back.

Neither workers nor Ray Tune's loop call this module.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.mlflow_reader.artifact_cache import forget_artifact_places
from orchestrator.mlflow_reader.cells import PARENT_RUN, RecordedCell, counted, recorded_cell
from orchestrator.mlflow_reader.client import (
    MLFLOW_LOGGED_ARTIFACTS,
    Experiment,
    Metric,
    MlflowClient,
    MlflowException,
    Param,
    Run,
    RunStatus,
    RunTag,
)
from orchestrator.mlflow_reader.long_tags import joined, shortened, split, storable
from orchestrator.mlflow_reader.outages import may_answer_later, reason
from orchestrator.mlflow_reader.reader import Reader, StoreError, names_study, told
from orchestrator.record.embedded import analyse, gather_at_exit, prepare
from orchestrator.record.entries import CellDescription, Point, StudyRecord
from orchestrator.record.relocation import address_of, follow_home, refuse_lost_folder
from orchestrator.record.tables import make_tables
from orchestrator.record.twins import keep_oldest
from orchestrator.vocabulary import State

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

MOST_POINTS = 1000
"""MLflow's limit on the metrics of one request."""
MOST_TAGS = 30
"""The same for tags: full ones of letters that take most bytes stay below a megabyte."""
LONGEST_NAME = 250
"""Most characters of a run's name in MLflow's tables; PostgreSQL refuses a longer one."""
_STATUS = {
    State.FINISHED: RunStatus.to_string(RunStatus.FINISHED),
    State.FAILED: RunStatus.to_string(RunStatus.FAILED),
    State.INTERRUPTED: RunStatus.to_string(RunStatus.KILLED),
    State.RUNNING: RunStatus.to_string(RunStatus.RUNNING),
}


@dataclass(frozen=True, slots=True)
class StudyIds:
    """MLflow's ids of a study's variant: its experiment, and the run of the variant."""

    experiment: str
    run: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a cell's run has.

    Args:
        last: The last point of each metric.
        is_complete: Whether the cell is finished.
    """

    last: tuple[Point, ...]
    is_complete: bool


class Store:
    """One MLflow store.

    Args:
        home: Names the store and the folder for artifacts of an embedded store.

    Raises:
        StoreError: If it cannot be opened. Does not contact a server; see `silence`.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        with told(home.tracking_uri):
            if home.database is not None:
                make_tables(home.database)
            self.reader = Reader(home.tracking_uri)
            if home.database is not None:
                self.client.search_experiments(max_results=1)
                prepare(home.database)
                gather_at_exit(home.database)
                follow_home(home)
                forget_artifact_places()

    @property
    def client(self) -> MlflowClient:
        """MLflow's client."""
        return self.reader.client

    def analyse(self) -> None:
        """Keeps curves quick to read in an embedded store that grows."""
        if self.home.database is not None:
            analyse(self.home.database)

    def silence(self) -> str | None:
        """Why the store does not answer now but may later; None if it answers.

        Raises:
            StoreError: If it cannot answer later either: a wrong address, or no access.
        """
        try:
            with told(self.home.tracking_uri):
                self.client.search_experiments(max_results=1)
        except StoreError as error:
            if may_answer_later(error):
                return reason(error)
            raise
        return None

    def find_study(self, name: str) -> str | None:
        """The id of a study's experiment; None if there is none yet.

        Raises:
            StoreError: If the experiment was deleted, if another one has the study's name, or if
                its artifacts lie in a home that is gone.
        """
        found = self._study(name)
        return None if found is None else str(found.experiment_id)

    def _study(self, name: str) -> Experiment | None:
        found = self.reader.find_study(name) or self.client.get_experiment_by_name(name)
        if found is None:
            return None
        # Another process may have made it just now.
        if not names_study(found, name) and not self.reader.has_runs_of(found, name):
            what = f"the experiment '{name}' in MLflow is not of this study"
            way = "rename it there, or give the study another name"
            sign = f"to use it all the same, set its tag {vocabulary.STUDY} to {name}"
            raise StoreError(f"{what} (id {found.experiment_id}); {way}; {sign}")
        if found.lifecycle_stage == "deleted":
            what = f"the experiment '{found.name}' was deleted in MLflow"
            raise StoreError(f"{what}; restore it there, or use another --home")
        if self.home.database is not None:
            refuse_lost_folder(name, found.artifact_location)
        return found

    def open_study(self, record: StudyRecord) -> StudyIds:
        """Finds or creates the run of a study's variant, and sets its tags."""
        experiment_id = self._experiment(record)
        finds = {
            vocabulary.KIND: vocabulary.PARENT,
            vocabulary.STUDY: record.name,
            vocabulary.VARIANT: record.variant,
        }
        run_id = keep_oldest(self.client, self.reader.runs([experiment_id], finds))
        if run_id is not None:
            self.set_tags(run_id, record.tags)
            return StudyIds(experiment_id, run_id)
        run = self.client.create_run(
            experiment_id,
            run_name=_run_name(record.title),
            tags=split({**finds, **record.tags}),
        )
        # Another home may have created one too, or MLflow's own retry after a lost response.
        run_id = keep_oldest(self.client, self.reader.runs([experiment_id], finds))
        return StudyIds(experiment_id, run_id or str(run.info.run_id))

    def parents(self) -> dict[StudyIds, dict[str, str]]:
        """The tags of every variant of every study."""
        return {
            StudyIds(variant.experiment_id, variant.run_id): dict(variant.tags)
            for variant in self.reader.variants(self.reader.studies())
        }

    def variants(self, experiment_id: str) -> list[StudyRecord]:
        """The recorded variants of a study, oldest first; of states they have only finished."""
        return [
            StudyRecord(
                name=variant.tags[vocabulary.STUDY],
                variant=variant.id,
                title=variant.title,
                question=variant.tags.get("mlflow.note.content", ""),
                tags=variant.tags,
                state=State.FINISHED if variant.is_finished else "",
            )
            for variant in self.reader.variants([experiment_id])
            # Somebody may have removed the tags that say what it is.
            if variant.id and vocabulary.STUDY in variant.tags
        ]

    def cells(self, experiment_id: str, variant: str) -> list[RecordedCell]:
        """The cells of a study's variant, in any state.

        Of several runs of one cell one stays, and the others are deleted: somebody may have
        restored a run that was replaced meanwhile.
        """
        found = self.reader.cells([experiment_id], {vocabulary.VARIANT: variant})
        cells = counted(found)
        ids = {cell.run_id for cell in cells}
        for twin in found:
            if twin.is_known and twin.run_id not in ids:
                log.warning("%s has another run; %s is deleted", twin.name, twin.run_id)
                self.client.delete_run(twin.run_id)
        return cells

    def finished_elsewhere(
        self, trials: Collection[str], *, counts: Callable[[RecordedCell], bool]
    ) -> dict[str, RecordedCell]:
        """Trial id to a finished cell of that trial, in any study.

        Cells that a scheduler stopped early do not count, because they are not complete.

        Args:
            trials: The ids of the trials.
            counts: Says whether a recorded cell counts.
        """
        if not trials:
            return {}
        finished = {vocabulary.STATE: State.FINISHED.value}
        found: dict[str, RecordedCell] = {}
        for cell in counted(self.reader.cells(self.reader.studies(), finished, trials=trials)):
            if not cell.is_stopped_early and counts(cell):
                found.setdefault(cell.trial, cell)
        return found

    def find_cell(self, description: CellDescription, study: StudyIds) -> str | None:
        """The run of a cell; if a lost response caused duplicates, the oldest one."""
        # MLflow's filters cannot quote every label, so compare the key here.
        tags = {key: description.tags[key] for key in (vocabulary.VARIANT, vocabulary.TRIAL)}
        runs = [
            run
            for run in self.reader.runs([study.experiment], tags)
            if run.data.tags.get(vocabulary.CELL_KEY) == description.cell
        ]
        return keep_oldest(self.client, runs)

    def create_cell(self, description: CellDescription, study: StudyIds) -> str:
        """Creates a run for a cell, with its params and tags."""
        run = self.client.create_run(
            study.experiment,
            run_name=_run_name(description.name),
            tags=split({**description.tags, PARENT_RUN: study.run}),
        )
        params = [Param(key, shortened(value)) for key, value in description.params.items()]
        self.client.log_batch(run.info.run_id, params=params, synchronous=True)
        # MLflow's own retry after a lost response may have created another one.
        return self.find_cell(description, study) or str(run.info.run_id)

    def log_points(self, run_id: str, points: Sequence[Point]) -> None:
        """Sends at most `MOST_POINTS` points; sending a point twice changes nothing."""
        metrics = [Metric(p.key, p.value, p.time_ms, p.step) for p in points]
        # The journal marks them as delivered when this call returns.
        self.client.log_batch(run_id, metrics=metrics, synchronous=True)

    def points_of(self, run_id: str) -> list[Point]:
        """All points of a run."""
        run = self.client.get_run(run_id)
        return [
            Point(metric.key, metric.step, metric.value, metric.timestamp)
            for key in run.data.metrics
            for metric in self.client.get_metric_history(run_id, key)
        ]

    def tags_of(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""
        return joined(self.client.get_run(run_id).data.tags)

    def is_gone(self, run_id: str) -> bool:
        """Whether the run was deleted, or the store does not know it."""
        run = self._run(run_id)
        return run is None or bool(run.info.lifecycle_stage == "deleted")

    def is_unknown(self, run_id: str) -> bool:
        """Whether the store does not know the run, not even as a deleted one."""
        return self._run(run_id) is None

    def experiment_of(self, run_id: str) -> str | None:
        """The id of the experiment of a run, if that was not deleted; None: the run is unknown."""
        run = self._run(run_id)
        if run is None:
            return None
        experiment = self.client.get_experiment(run.info.experiment_id)
        is_deleted = experiment.lifecycle_stage == "deleted"
        return None if is_deleted else str(experiment.experiment_id)

    def _run(self, run_id: str) -> Run | None:
        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def look_at(self, run_id: str) -> Look | None:
        """What a run has; None if it was deleted."""
        run = self._run(run_id)
        if run is None or run.info.lifecycle_stage == "deleted":
            return None
        cell = recorded_cell(joined(run.data.tags), run_id=run_id, name="", params={}, metrics={})
        last = [Point(p.key, p.step, p.value, p.timestamp) for p in run.data.to_proto().metrics]
        return Look(last=tuple(last), is_complete=cell.is_complete)

    def set_state(self, run_id: str, state: State, tags: Mapping[str, str]) -> None:
        """Sets the state of a run, and tags."""
        if state != State.FAILED and vocabulary.REASON in self.tags_of(run_id):
            # The cell failed before and was retried.
            self.client.delete_tag(run_id, vocabulary.REASON)
        self.set_tags(run_id, {**tags, vocabulary.STATE: state.value})
        if state == State.RUNNING:
            self.client.update_run(run_id, status=_STATUS[state])
        else:
            self.client.set_terminated(run_id, status=_STATUS[state])

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Writes a text file to a run's artifacts."""
        self.client.log_text(run_id, text, name)

    def log_file(self, run_id: str, file: Path, folder: str | None = None) -> None:
        """Writes a file to a run's artifacts or to a folder of them; replaces an existing one."""
        self.client.log_artifact(run_id, str(file), folder)

    def file_sizes(self, run_id: str, folder: str) -> dict[str, int]:
        """Name to size in bytes of the files in a folder of a run's artifacts."""
        files = self.client.list_artifacts(run_id, folder)
        return {file.path.rpartition("/")[2]: file.file_size or 0 for file in files}

    def log_table(self, run_id: str, table: "pd.DataFrame", name: str) -> None:
        """Writes a table to a run's artifacts, in the format that MLflow's pages show as a table.

        MLflow's own `log_table` appends to an existing table; this one replaces it.
        """
        path = f"{name}.json"
        self.log_text(run_id, table.to_json(orient="split", index=False), path)
        tagged = json.loads(self.tags_of(run_id).get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        entry = {"path": path, "type": "table"}
        if entry not in tagged:
            self.set_tags(run_id, {MLFLOW_LOGGED_ARTIFACTS: json.dumps([*tagged, entry])})

    def log_values(self, run_id: str, values: Mapping[str, float], time_ms: int) -> None:
        """Writes summary metrics of a study at step 0; adds only values that have changed."""
        known = self.client.get_run(run_id).data.metrics
        changed = {key: value for key, value in values.items() if known.get(key) != value}
        metrics = [Metric(key, value, time_ms, 0) for key, value in changed.items()]
        for start in range(0, len(metrics), MOST_POINTS):
            part = metrics[start : start + MOST_POINTS]
            self.client.log_batch(run_id, metrics=part, synchronous=True)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Sets tags of a run in order, of any length; replaces existing ones."""
        batch = [RunTag(key, value) for key, value in split(tags).items()]
        for start in range(0, len(batch), MOST_TAGS):
            part = batch[start : start + MOST_TAGS]
            self.client.log_batch(run_id, tags=part, synchronous=True)

    def delete_tags(self, run_id: str, keys: Iterable[str]) -> None:
        """Deletes tags of a run, if they exist."""
        there = self.tags_of(run_id)
        for key in keys:
            if key in there:
                self.client.delete_tag(run_id, key)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Sets a tag of an experiment; replaces an existing one."""
        try:
            self.client.set_experiment_tag(experiment_id, key, value)
        except MlflowException as error:
            if may_answer_later(error):
                raise
            # MLflow checks before it writes, so if two create a tag at once, one fails.
            self.client.set_experiment_tag(experiment_id, key, value)

    def _experiment(self, record: StudyRecord) -> str:
        found = self._study(record.name)
        if found is not None:
            if not names_study(found, record.name):
                self.set_experiment_tag(found.experiment_id, vocabulary.STUDY, record.name)
            return str(found.experiment_id)
        location = None
        if self.home.database is not None:
            location = address_of(self.home.artifacts / record.name)
        tags = {"mlflow.note.content": record.question, vocabulary.STUDY: record.name}
        try:
            return str(self.client.create_experiment(record.name, location, tags=tags))
        except MlflowException as error:
            there = self.find_study(record.name)
            # Another process created it, or we did and the response was lost.
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or there is None:
                raise
            return there


def _run_name(text: str) -> str:
    return storable(text)[:LONGEST_NAME]
