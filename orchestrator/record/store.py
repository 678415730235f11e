"""MLflow as the store of studies and cells: what is written there, and what is asked of it.

Nothing in it is called by a worker, nor from Ray Tune's loop.
"""

import json
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.mlflow_reader.client import (
    MLFLOW_LOGGED_ARTIFACTS,
    Metric,
    MlflowException,
    Param,
    Run,
    RunStatus,
    RunTag,
    client_of,
)
from orchestrator.mlflow_reader.outages import may_answer_later, reason
from orchestrator.mlflow_reader.reader import Reader, StoreError, told
from orchestrator.record.embedded import make_once, prepare
from orchestrator.record.journal import CellDescription, Point, StudyRecord

MOST_POINTS = 1000
"""MLflow's limit on the metrics of one request."""
MOST_TAGS = 100
"""The same for tags."""
LONGEST_NAME = 250
"""Characters that MLflow's tables hold; SQLite takes more, PostgreSQL refuses the run."""
_STATUS = {
    vocabulary.FINISHED: RunStatus.to_string(RunStatus.FINISHED),
    vocabulary.FAILED: RunStatus.to_string(RunStatus.FAILED),
    vocabulary.INTERRUPTED: RunStatus.to_string(RunStatus.KILLED),
    vocabulary.RUNNING: RunStatus.to_string(RunStatus.RUNNING),
}


@dataclass(frozen=True, slots=True)
class StudyIds:
    """Where MLflow keeps a variant of a study: its experiment, and the run of the variant."""

    experiment: str
    run: str


class Store:
    """One MLflow store.

    Args:
        home: Names the store, and where artifacts of an embedded one lie.

    Raises:
        StoreError: If it cannot be opened. A server is not asked; see `silence`.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        with told(home.tracking_uri):
            if home.database is not None:
                home.database.parent.mkdir(parents=True, exist_ok=True)
                make_once(home.database, _make_tables)
            self.reader = Reader(home.tracking_uri)
            self.client = self.reader.client
            if home.database is not None:
                self.client.search_experiments(max_results=1)
                prepare(home.database)

    def silence(self) -> str | None:
        """Why the store does not answer now, though it may later; None if it does.

        Raises:
            StoreError: If it never will like this: a wrong address, or no right to it.
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
        """Id of a study's experiment; None if there is none yet.

        Raises:
            StoreError: If somebody deleted it.
        """
        found = self.reader.find_study(name)
        if found is None:
            return None
        if found.lifecycle_stage == "deleted":
            what = f"the experiment '{name}' was deleted in MLflow"
            raise StoreError(f"{what}; restore it there, or use another --home")
        return str(found.experiment_id)

    def open_study(self, record: StudyRecord) -> StudyIds:
        """Where a variant of a study is kept; made if need be, and its tags are set."""
        experiment_id = self._experiment(record)
        finds = {
            vocabulary.KIND: vocabulary.PARENT,
            vocabulary.STUDY: record.name,
            vocabulary.VARIANT: record.variant,
        }
        run_id = self._oldest(self.reader.runs([experiment_id], finds))
        if run_id is not None:
            self.set_tags(run_id, record.tags)
            return StudyIds(experiment_id, run_id)
        run = self.client.create_run(
            experiment_id, run_name=record.title, tags={**finds, **record.tags}
        )
        # Another home may have made one at once, or MLflow's own retry after a lost answer.
        run_id = self._oldest(self.reader.runs([experiment_id], finds))
        return StudyIds(experiment_id, run_id or str(run.info.run_id))

    def parents(self) -> dict[StudyIds, dict[str, str]]:
        """The tags of every variant of every study."""
        return {
            StudyIds(variant.experiment_id, variant.run_id): dict(variant.tags)
            for variant in self.reader.variants(self.reader.studies())
        }

    def variants(self, experiment_id: str) -> list[StudyRecord]:
        """What is recorded of a study, one for each variant, the oldest first."""
        return [
            StudyRecord(
                name=variant.tags[vocabulary.STUDY],
                variant=variant.id,
                title=variant.title,
                question=variant.tags.get("mlflow.note.content", ""),
                tags=variant.tags,
            )
            for variant in self.reader.variants([experiment_id])
        ]

    def cells(self, experiment_id: str, variant: str) -> list[RecordedCell]:
        """The cells of a study's variant, whatever their state."""
        return self.reader.cells([experiment_id], {vocabulary.VARIANT: variant})

    def finished_elsewhere(
        self, trials: Collection[str], *, counts: Callable[[RecordedCell], bool]
    ) -> dict[str, RecordedCell]:
        """Finished cells of these trials, in whichever study, by trial id.

        Those that a scheduler stopped early do not count: they are no results of the trial.

        Args:
            trials: The ids.
            counts: Whether a cell does, as it is recorded.
        """
        if not trials:
            return {}
        finished = {vocabulary.STATE: vocabulary.FINISHED}
        found: dict[str, RecordedCell] = {}
        for cell in self.reader.cells(self.reader.studies(), finished):
            if cell.trial in trials and not cell.is_stopped_early and counts(cell):
                found.setdefault(cell.trial, cell)
        return found

    def find_cell(self, description: CellDescription, study: StudyIds) -> str | None:
        """The run of a cell; of twins, which a lost answer can leave behind, the older one."""
        # MLflow's filters cannot quote every label, so the key is compared here.
        tags = {key: description.tags[key] for key in (vocabulary.VARIANT, vocabulary.TRIAL)}
        return self._oldest(
            run
            for run in self.reader.runs([study.experiment], tags)
            if run.data.tags.get(vocabulary.CELL_KEY) == description.cell
        )

    def create_cell(self, description: CellDescription, study: StudyIds) -> str:
        """A new run for a cell; its params and tags are set."""
        run = self.client.create_run(
            study.experiment,
            run_name=description.name[:LONGEST_NAME],
            tags={**description.tags, "mlflow.parentRunId": study.run},
        )
        params = [Param(key, value) for key, value in description.params.items()]
        self.client.log_batch(run.info.run_id, params=params)
        # MLflow's own retry after a lost answer may have made another one.
        return self.find_cell(description, study) or str(run.info.run_id)

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
        self.set_tags(run_id, {**tags, vocabulary.STATE: state})
        if state == vocabulary.RUNNING:
            self.client.update_run(run_id, status=_STATUS[state])
        else:
            self.client.set_terminated(run_id, status=_STATUS[state])

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """A text file among a run's artifacts."""
        self.client.log_text(run_id, text, name)

    def log_file(self, run_id: str, file: Path, folder: str | None = None) -> None:
        """A file among a run's artifacts, or in a folder of them; replaced if it is there."""
        self.client.log_artifact(run_id, str(file), folder)

    def file_sizes(self, run_id: str, folder: str) -> dict[str, int]:
        """Bytes of the files in a folder of a run's artifacts, by their names."""
        files = self.client.list_artifacts(run_id, folder)
        return {file.path.rpartition("/")[2]: file.file_size or 0 for file in files}

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

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tags of a run, set in their order; those that are there are replaced."""
        batch = [RunTag(key, value) for key, value in tags.items()]
        for start in range(0, len(batch), MOST_TAGS):
            self.client.log_batch(run_id, tags=batch[start : start + MOST_TAGS])

    def delete_tags(self, run_id: str, keys: Iterable[str]) -> None:
        """Takes tags of a run away, those that are there."""
        there = self.tags_of(run_id)
        for key in keys:
            if key in there:
                self.client.delete_tag(run_id, key)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """A tag of an experiment; replaced if it is there."""
        try:
            self.client.set_experiment_tag(experiment_id, key, value)
        except MlflowException as error:
            if may_answer_later(error):
                raise
            # MLflow looks first and writes then: of two that bring a new one at once, one fails.
            self.client.set_experiment_tag(experiment_id, key, value)

    def _oldest(self, runs: Iterable[Run]) -> str | None:
        """Of runs that are to be one, the id of that which stays; the others are deleted.

        One that a sweep has marked as its own stays: clocks of two machines may differ.
        """
        found = sorted(
            runs, key=lambda run: (not _is_held(run), run.info.start_time, run.info.run_id)
        )
        for twin in found[1:]:
            self.client.delete_run(twin.info.run_id)
        return str(found[0].info.run_id) if found else None

    def _experiment(self, record: StudyRecord) -> str:
        found = self.find_study(record.name)
        if found is not None:
            return found
        location = None
        if self.home.database is not None:
            folder = urllib.parse.quote(str(self.home.artifacts / record.name))
            location = f"file://{folder}"
        tags = {"mlflow.note.content": record.question, vocabulary.STUDY: record.name}
        try:
            return str(self.client.create_experiment(record.name, location, tags=tags))
        except MlflowException as error:
            found = self.find_study(record.name)
            # Somebody else made it meanwhile, or we did and the answer was lost.
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                raise
            return found


def _make_tables(database: Path) -> None:
    """A fresh store; the first call to it makes its tables."""
    client_of(f"sqlite:///{database}").search_experiments(max_results=1)


def _is_held(run: Run) -> bool:
    held = vocabulary.HELD.format(holder="")
    return any(key.startswith(held) for key in run.data.tags)
