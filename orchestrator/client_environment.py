"""What MLflow's client reads from the environment when it is imported."""

import os

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # A call must fail soon: the journal keeps what could not be sent, and a person waits for what
    # is read. MLflow itself tries for four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def prepare_client() -> None:
    """Puts our defaults beside what the user set; to be called before mlflow is imported."""
    os.environ.update({**DEFAULTS, **os.environ})
