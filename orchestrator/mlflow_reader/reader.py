"""Reads studies and cells from one MLflow store."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.masking import mask_error, shown_address
from orchestrator.mlflow_reader.address import fault_of, is_database_server
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant, recorded_cell
from orchestrator.mlflow_reader.long_tags import joined
from orchestrator.mlflow_reader.near import nearest, some_of
from orchestrator.mlflow_reader.outages import is_gone, is_of_a_store, reason
from orchestrator.mlflow_reader.pages import LARGEST_PAGE, whole
from orchestrator.process.gc_pause import uncollected
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from orchestrator.mlflow_reader.client import Experiment, MlflowClient, Run


_PACKAGES: Final = {
    "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python",
    "psycopg2": "psycopg2-binary",
}
"""The package of a database's driver, by its module, where the names differ."""


class StoreError(OrchestratorError):
    """MLflow cannot be used, or did not answer."""


@contextmanager
def told(tracking_uri: str) -> Iterator[None]:
    """Turns errors of MLflow's client into a StoreError that names the store; says a long wait.

    Args:
        tracking_uri: MLflow's store.

    Raises:
        StoreError: Replaces the error of MLflow's client.
    """
    try:
        with waiting_for(f"MLflow's answer, from {shown_address(tracking_uri)}"):
            yield
    except ModuleNotFoundError as error:
        # The driver of a database is the only module that an address decides.
        module = (error.name or "").partition(".")[0]
        package = _PACKAGES.get(module, module)
        what = f"{shown_address(tracking_uri)} needs the package '{package}'"
        way = f"pip install {package}, or name another driver"
        raise StoreError(f"{what}, which is not installed; {way}") from error
    except Exception as error:
        if not is_of_a_store(error):
            raise
        # A traceback shows the causes too.
        mask_error(error)
        raise StoreError(f"{shown_address(tracking_uri)}: {reason(error)}") from error


class Reader:
    """Reads one MLflow store.

    The constructor and all methods raise the errors of MLflow's client if the store cannot be
    used; `told` turns them into messages for the user.

    Args:
        tracking_uri: MLflow's store; the constructor does not contact a server.

    Raises:
        StoreError: If the address cannot be read.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        if why := fault_of(tracking_uri):
            hint = "in a user or password, write / as %2F, @ as %40, : as %3A, # as %23, % as %25"
            raise StoreError(f"{shown_address(tracking_uri)} cannot be read: {why}; {hint}")
        if not is_database_server(tracking_uri):
            # Refuses an address of a kind that MLflow does not know.
            _ = self.client

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client; of a database server, creating it already connects."""
        # Only here, so that a command with nothing to read does not wait for MLflow.
        from orchestrator.mlflow_reader.client import client_of

        return client_of(self.tracking_uri)

    def find_study(self, name: str) -> "Experiment | None":
        """A study's experiment, also a renamed or deleted one; None if there is none.

        It is known by its tag. Without the tag it is known by its name and by runs of the study:
        somebody may have removed the tag, or given it to an experiment of another study.

        Raises:
            StoreError: If several experiments have the tag, and none of them has the name.
        """
        from orchestrator.mlflow_reader.client import ViewType

        named = self.client.get_experiment_by_name(name)
        if named is not None and _is_active(named) and names_study(named, name):
            return named
        tagged = [
            one
            for one in self._experiments(ViewType.ALL)
            if names_study(one, name) and not self._is_of_another(one, name)
        ]
        active = [found for found in tagged if _is_active(found)]
        if len(active) > 1:
            listed = ", ".join(f"'{found.name}' ({found.experiment_id})" for found in active)
            way = f"remove the tag from all but one, or name that one '{name}'"
            what = f"several experiments have the tag {vocabulary.STUDY}={name}: {listed}"
            raise StoreError(f"{what}; in MLflow {way}")
        if tagged:
            return (active or tagged)[0]
        return named if named is not None and self.has_runs_of(named, name) else None

    def _experiments(self, view: int) -> "list[Experiment]":
        wanted = f"tags.`{vocabulary.STUDY}` != ''"
        return whole(
            lambda token: self.client.search_experiments(
                view_type=view,
                filter_string=wanted,
                max_results=LARGEST_PAGE,
                page_token=token,
            )
        )

    def run_of(self, experiment_id: str, variant: str) -> str | None:
        """The run of a study's variant; None if there is none, or more than one as yet."""
        finds = {vocabulary.KIND: vocabulary.PARENT, vocabulary.VARIANT: variant}
        runs = self.runs([experiment_id], finds)
        return str(runs[0].info.run_id) if len(runs) == 1 else None

    def _is_of_another(self, experiment: "Experiment", name: str) -> bool:
        """Whether all runs of an experiment are of another study, whatever its tag says."""
        return (
            experiment.name != name
            and not self.has_runs_of(experiment, name)
            and self._has_runs(experiment, f"tags.`{vocabulary.STUDY}` != '{name}'")
        )

    def has_runs_of(self, experiment: "Experiment", name: str) -> bool:
        """Whether runs of an experiment say that they are of a study."""
        # A valid name holds no quote.
        return "'" not in name and self._has_runs(
            experiment, f"tags.`{vocabulary.STUDY}` = '{name}'"
        )

    def _has_runs(self, experiment: "Experiment", wanted: str) -> bool:
        from orchestrator.mlflow_reader.client import ViewType

        return bool(
            self.client.search_runs(
                [experiment.experiment_id],
                filter_string=wanted,
                run_view_type=ViewType.ALL,
                max_results=1,
            )
        )

    def studies(self) -> list[str]:
        """The ids of the experiments of all studies."""
        from orchestrator.mlflow_reader.client import ViewType

        return [str(found.experiment_id) for found in self._experiments(ViewType.ACTIVE_ONLY)]

    def study_names(self) -> set[str]:
        """The names of all studies."""
        from orchestrator.mlflow_reader.client import ViewType

        active = self._experiments(ViewType.ACTIVE_ONLY)
        return {str(one.tags[vocabulary.STUDY]) for one in active}

    def variants(self, experiments: Sequence[str]) -> list[RecordedVariant]:
        """The variants of studies, oldest first."""
        runs = self.runs(experiments, {vocabulary.KIND: vocabulary.PARENT})
        return [
            RecordedVariant(
                experiment_id=run.info.experiment_id,
                run_id=run.info.run_id,
                title=run.info.run_name or "",
                tags=joined(run.data.tags),
                started_ms=run.info.start_time,
                status=run.info.status,
            )
            for run in sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
        ]

    def cells(
        self,
        experiments: Sequence[str],
        tags: Mapping[str, str] | None = None,
        *,
        where: str = "",
        heard: Callable[[int], None] = lambda num: None,
        trials: Collection[str] | None = None,
    ) -> list[RecordedCell]:
        """The cells of studies, oldest first.

        Args:
            experiments: The ids of the studies' experiments.
            tags: Only cells with these tags; None: all cells.
            where: Only cells that this filter of MLflow's takes, too; empty: no filter.
            heard: Hears after each page how many cells are read.
            trials: Only cells of these trials; MLflow cannot filter by many. None: all.
        """
        wanted = {vocabulary.KIND: vocabulary.CELL, **(tags or {})}
        keep = None if trials is None else partial(_is_of_one, trials)
        runs = self.runs(experiments, wanted, where=where, heard=heard, keep=keep)
        with uncollected():
            return [
                recorded_cell(
                    joined(run.data.tags),
                    run_id=run.info.run_id,
                    name=run.info.run_name or "",
                    params=run.data.params,
                    metrics=run.data.metrics,
                    ended_ms=run.info.end_time or 0,
                    started_ms=run.info.start_time or 0,
                )
                for run in runs
            ]

    def curve(self, run_id: str, key: str) -> tuple[tuple[int, float], ...]:
        """A curve of a run, by step; of a point that was sent twice, the last.

        Empty if the run is gone: who asks may know of a cell that was deleted since.
        """
        try:
            history = self.client.get_metric_history(run_id, key)
        except Exception as error:
            if is_gone(error):
                return ()
            raise
        points = {int(point.step): float(point.value) for point in history}
        return tuple(sorted(points.items()))

    def runs(
        self,
        experiments: Sequence[str],
        tags: Mapping[str, str],
        *,
        where: str = "",
        heard: Callable[[int], None] = lambda num: None,
        keep: "Callable[[Run], bool] | None" = None,
    ) -> "list[Run]":
        """The runs with these tags, and of these filters, that are not deleted; oldest first."""
        from orchestrator.mlflow_reader.client import ViewType

        filters = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        wanted = " and ".join([*filters, where] if where else filters)
        return whole(
            lambda token: self.client.search_runs(
                list(experiments),
                filter_string=wanted,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=LARGEST_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            ),
            heard,
            keep=keep,
        )


def instead_of(name: str, recorded: Collection[str]) -> str:
    """What to type in place of a study that is not recorded: the nearest name, and all."""
    known = sorted(recorded)
    near = nearest(name, known)
    return f"{f'did you mean {near!r}? ' if near else ''}recorded: {some_of(known) or 'none yet'}"


def names_study(experiment: "Experiment", name: str) -> bool:
    """Whether the tag of an experiment says that it is of this study."""
    return bool(experiment.tags.get(vocabulary.STUDY) == name)


def _is_of_one(trials: Collection[str], run: "Run") -> bool:
    """Whether a run is of one of these trials."""
    return run.data.tags.get(vocabulary.TRIAL) in trials


def _is_active(experiment: "Experiment") -> bool:
    return bool(experiment.lifecycle_stage == "active")
