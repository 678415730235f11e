"""MLflow's tables in a new database."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.record.tables import make_tables

pytestmark = pytest.mark.slow


def _tables(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {name for (name,) in connection.execute(query)}


def test_a_database_gets_its_tables_and_its_folder_once(tmp_path: Path) -> None:
    database = tmp_path / "deep" / "home" / "mlflow.db"
    make_tables(database)
    assert {"experiments", "runs", "tags", "metrics", "params"} <= _tables(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")
    make_tables(database)
    assert "mine" in _tables(database)
    assert [path.name for path in database.parent.iterdir() if "lock" in path.name] == []
