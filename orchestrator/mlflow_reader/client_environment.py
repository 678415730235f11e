"""What MLflow's client reads from the environment when it is imported."""

CLIENT_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # A call must fail soon: the journal keeps what could not be sent, and a person waits for what
    # is read. MLflow itself tries for four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Else it prints the server's address for each run, with the password it may hold.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Put into the environment, under what the user set, before mlflow is imported."""
