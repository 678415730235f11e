"""A client says nothing by itself."""

import logging

from orchestrator.mlflow_reader.client import client_of


def test_a_client_is_quiet_and_asks_nobody() -> None:
    client = client_of("http://nowhere.invalid:1")
    assert client.tracking_uri == "http://nowhere.invalid:1"
    for name in ("mlflow", "alembic", "sqlalchemy", "mlflow.store.db.utils"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
