"""Environment variables that MLflow's client reads on import."""

CLIENT_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # A call must fail soon: the journal keeps results that could not be sent, and a user waits for
    # reads. By default MLflow tries for four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Otherwise it prints the server's address for each run, possibly with a password.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Set before mlflow is imported; variables that the user has set take precedence."""
