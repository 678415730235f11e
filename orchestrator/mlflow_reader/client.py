"""Imports MLflow's client with our settings; other modules import MLflow's names from here."""

import logging
import os

from orchestrator.mlflow_reader.address import is_database_server
from orchestrator.process.variables import FOR_MLFLOW, MLFLOW_DEFAULTS

os.environ.update({**MLFLOW_DEFAULTS, **os.environ, **FOR_MLFLOW})

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

__all__ = [
    "MLFLOW_LOGGED_ARTIFACTS",
    "Experiment",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Param",
    "Run",
    "RunStatus",
    "RunTag",
    "ViewType",
    "client_of",
]


def client_of(tracking_uri: str) -> MlflowClient:
    """Creates a client of one store, with logging off; contacts a database, but no server.

    Args:
        tracking_uri: MLflow's store.
    """
    for name in ("mlflow", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if is_database_server(tracking_uri):
        _answer_soon()
    # MLflow logs errors with a traceback and also raises them; we report them ourselves.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=tracking_uri)


def _answer_soon() -> None:
    """Lets MLflow try a database twice; by itself it tries for two minutes, without a word."""
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = 2
