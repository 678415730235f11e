"""Duplicate runs, which a lost response or a restored run leaves behind."""

from collections.abc import Iterable

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import state_of
from orchestrator.mlflow_reader.client import MlflowClient, Run
from orchestrator.vocabulary import State


def keep_oldest(client: MlflowClient, runs: Iterable[Run]) -> str | None:
    """Keeps one of several duplicate runs and returns its id; deletes the others.

    A run that a sweep has marked stays, because clocks of two machines may differ. Of a cell's
    runs a finished one stays.

    Args:
        client: MLflow's client.
        runs: Runs of one variant, or of one cell.
    """
    found = sorted(
        runs,
        key=lambda run: (
            not _is_held(run),
            not _is_finished(run),
            run.info.start_time,
            run.info.run_id,
        ),
    )
    for twin in found[1:]:
        client.delete_run(twin.info.run_id)
    return str(found[0].info.run_id) if found else None


def _is_finished(run: Run) -> bool:
    is_cell = run.data.tags.get(vocabulary.KIND) == vocabulary.CELL
    return is_cell and state_of(run.data.tags) == State.FINISHED


def _is_held(run: Run) -> bool:
    held = vocabulary.HELD.format(holder="")
    return any(key.startswith(held) for key in run.data.tags)
