"""Reads one recorded cell with its curves, and what it was trained with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dashboards.curves import Curve
from dashboards.runs import NoResultsError
from orchestrator import vocabulary
from orchestrator.home import Home, database_of, store_address
from orchestrator.mlflow_reader.cells import PARENT_RUN, RecordedCell, recorded_cell
from orchestrator.mlflow_reader.long_tags import joined
from orchestrator.mlflow_reader.outages import may_answer_later
from orchestrator.mlflow_reader.reader import Reader, told

if TYPE_CHECKING:
    from orchestrator.mlflow_reader.client import MlflowClient, Run


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedRun:
    """A recorded cell with its curves.

    Args:
        study: The study's name.
        cell: The cell.
        curves: Name to points, of everything recorded each epoch.
        environment: Commit, packages and machine of its study's last sweep; empty: not recorded.
    """

    study: str
    cell: RecordedCell
    curves: Mapping[str, Curve]
    environment: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Study, labels and run, in one line."""
        labels = ", ".join(f"{axis} {label}" for axis, label in self.cell.labels.items())
        return f"{self.study}: {labels} (run {self.cell.run_id})"


def read_run(run_id: str, tracking_uri: str | None = None) -> RecordedRun:
    """Reads a cell of any state.

    Args:
        run_id: MLflow's run.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else the store in the home.

    Raises:
        NoResultsError: If there is no such run, or it is no cell.
        StoreError: If the store cannot be read.
    """
    uri = store_address(tracking_uri) if tracking_uri else Home.at().tracking_uri
    database = database_of(uri)
    if database is not None and not database.exists():
        raise NoResultsError(f"there are no results in {database}; run a sweep first")
    with told(uri):
        reader = Reader(uri)
        client = reader.client
        run = _run(client, run_id)
        tags = joined(run.data.tags) if run else {}
        if run is None or tags.get(vocabulary.KIND) != vocabulary.CELL:
            what = "there is no run" if run is None else "it is no cell of a study: the run"
            raise NoResultsError(f"{what} '{run_id}'; name a cell's run, or best:STUDY/ROW")
        cell = recorded_cell(
            tags,
            run_id=run_id,
            name=run.info.run_name or "",
            params=run.data.params,
            metrics=run.data.metrics,
            ended_ms=run.info.end_time or 0,
        )
        return RecordedRun(
            study=tags.get(vocabulary.STUDY, ""),
            cell=cell,
            curves={
                name: reader.curve(run_id, name) for name in run.data.metrics if is_curve(name)
            },
            environment=_environment(client, tags.get(PARENT_RUN, "")),
        )


def is_curve(name: str) -> bool:
    """Whether a metric has a point for each epoch."""
    prefixes = tuple(curve.format(layer="") for curve in vocabulary.LAYER_CURVES.values())
    return name in vocabulary.CURVES or name.startswith(prefixes)


def _run(client: "MlflowClient", run_id: str) -> "Run | None":
    from orchestrator.mlflow_reader.client import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if may_answer_later(error):
            raise
        return None


def _environment(client: "MlflowClient", parent: str) -> dict[str, Any]:
    """The environment of a study's run; empty if it cannot be read."""
    if not parent:
        return {}
    try:
        with TemporaryDirectory() as folder:
            name = vocabulary.ENVIRONMENT_ARTIFACT
            path = Path(client.download_artifacts(parent, name, folder))
            content = json.loads(path.read_text(encoding="utf-8"))
    except Exception:
        # An artifact may be gone, or stored where this machine does not reach.
        return {}
    return content if isinstance(content, dict) else {}
