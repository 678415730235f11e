"""Reads studies and cells from one MLflow store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.home import masked
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant, recorded_cell
from orchestrator.mlflow_reader.client import Experiment, Run, ViewType, client_of
from orchestrator.mlflow_reader.gc_pause import uncollected
from orchestrator.mlflow_reader.outages import is_of_a_store, reason
from orchestrator.mlflow_reader.pages import LARGEST_PAGE, whole


class StoreError(OrchestratorError):
    """MLflow cannot be used, or did not answer."""


@contextmanager
def told(tracking_uri: str) -> Iterator[None]:
    """Says which store it was that cannot be used, or did not answer.

    Args:
        tracking_uri: That store.

    Raises:
        StoreError: In place of what MLflow's client raises.
    """
    try:
        yield
    except Exception as error:
        if not is_of_a_store(error):
            raise
        raise StoreError(f"{masked(tracking_uri)}: {reason(error)}") from error


class Reader:
    """What one MLflow store says.

    To make one, and to ask it, raises whatever MLflow's client raises when the store cannot be
    used; `told` says it to people.

    Args:
        tracking_uri: MLflow's store. A server is not asked yet.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.client = client_of(tracking_uri)

    def find_study(self, name: str) -> Experiment | None:
        """A study's experiment, also one that was deleted; None if there is none."""
        return self.client.get_experiment_by_name(name)

    def studies(self) -> list[str]:
        """Ids of the experiments of all studies."""
        wanted = f"tags.`{vocabulary.STUDY}` != ''"
        found = whole(
            lambda token: self.client.search_experiments(
                filter_string=wanted, max_results=LARGEST_PAGE, page_token=token
            )
        )
        return [str(experiment.experiment_id) for experiment in found]

    def variants(self, experiments: Sequence[str]) -> list[RecordedVariant]:
        """The variants of studies, the oldest first."""
        runs = self.runs(experiments, {vocabulary.KIND: vocabulary.PARENT})
        return [
            RecordedVariant(
                experiment_id=run.info.experiment_id,
                run_id=run.info.run_id,
                title=run.info.run_name or "",
                tags=run.data.tags,
                started_ms=run.info.start_time,
            )
            for run in sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
        ]

    def cells(
        self, experiments: Sequence[str], tags: Mapping[str, str] | None = None
    ) -> list[RecordedCell]:
        """The cells of studies, the oldest first.

        Args:
            experiments: Of the studies.
            tags: Only cells that have these; None: all.
        """
        runs = self.runs(experiments, {vocabulary.KIND: vocabulary.CELL, **(tags or {})})
        with uncollected():
            return [
                recorded_cell(
                    run.data.tags,
                    run_id=run.info.run_id,
                    name=run.info.run_name or "",
                    params=run.data.params,
                    metrics=run.data.metrics,
                    ended_ms=run.info.end_time or 0,
                )
                for run in runs
            ]

    def runs(self, experiments: Sequence[str], tags: Mapping[str, str]) -> list[Run]:
        """The runs that have these tags and were not deleted, the oldest first."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return whole(
            lambda token: self.client.search_runs(
                list(experiments),
                filter_string=wanted,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=LARGEST_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
        )
