"""MLflow's tables in an SQLite file, copied from a template where there is one."""

from importlib import metadata
from pathlib import Path

from orchestrator.home import sqlite_address
from orchestrator.kept import cache_folder
from orchestrator.mlflow_reader.client import client_of
from orchestrator.record.embedded import make_once


def make_tables(database: Path) -> None:
    """Creates a database with MLflow's tables, and its folder, if it does not exist.

    Raises:
        sqlite3.Error: If the file cannot be written.
        OSError: If the file cannot be written.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    make_once(database, _make, template=_template())


def _make(database: Path) -> None:
    # The first call to a new store creates its tables.
    client_of(sqlite_address(database)).search_experiments(max_results=1)


def _template() -> Path | None:
    """Where the tables of this version of MLflow are kept; None if there is no cache folder."""
    versions = (metadata.version(package) for package in ("mlflow", "sqlalchemy"))
    try:
        return cache_folder() / f"mlflow-{'-'.join(versions)}" / "empty.db"
    except RuntimeError:
        return None
