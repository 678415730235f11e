"""Reads small text files among the artifacts of runs."""

import tempfile
from pathlib import Path

from orchestrator.mlflow_reader.outages import may_answer_later
from orchestrator.mlflow_reader.reader import Reader


def artifact_text(reader: Reader, run_id: str, name: str) -> str | None:
    """A text file among the artifacts of a run; None: there is none, or it is no text.

    Args:
        reader: Of the store.
        run_id: The run.
        name: The file's name.

    Raises:
        Exception: Any error of MLflow's client if the store does not answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = reader.client.download_artifacts(run_id, name, folder)
            return Path(path).read_text(encoding="utf-8")
        # Each kind of store has its own error for what is not there.
        except Exception as error:
            if may_answer_later(error):
                raise
            return None
