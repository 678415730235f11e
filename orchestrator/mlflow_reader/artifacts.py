"""Reads small text files among the artifacts of runs."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.mlflow_reader.client import MlflowClient


def artifact_text(client: "MlflowClient", run_id: str, name: str) -> str | None:
    """A text file among the artifacts of a run; None if there is none.

    Args:
        client: MLflow's client of the store.
        run_id: The run.
        name: The file's name, without a folder.
    """
    if all(file.path != name for file in client.list_artifacts(run_id)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run_id, name, folder)
        return Path(path).read_text("utf-8", errors="replace")
