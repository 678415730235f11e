"""Artifacts follow their home: MLflow's database holds the absolute address of each folder.

A home that was moved or copied has addresses of the place where it was before. MLflow would make
that place anew, or write into the home that lies there now.
"""

import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from orchestrator import vocabulary
from orchestrator.home import DATABASE, Home, is_same_place
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.delivery_lock import InUseError, held
from orchestrator.record.holders import living

_FILE = "file://"
_PLACES = ("artifact_location", "artifact_uri", "source", "storage_location")
"""Columns with addresses of artifacts, in whichever table: of experiments, runs, models, ..."""
_STUDIES = f"""
SELECT DISTINCT artifact_location FROM experiments WHERE experiment_id IN (
    SELECT experiment_id FROM experiment_tags WHERE key = '{vocabulary.STUDY}'
    UNION SELECT experiment_id FROM runs JOIN tags USING (run_uuid)
    WHERE key = '{vocabulary.STUDY}'
)
"""


def address_of(folder: Path) -> str:
    """MLflow's address of a folder on this machine."""
    return f"{_FILE}{urllib.parse.quote(str(folder))}"


def follow_home(home: Home) -> None:
    """Corrects the addresses of artifacts in an SQLite store if the home lies elsewhere now.

    Addresses in a database that homes share stay, unless their folder is gone and this home has
    the artifacts: then it is the home that was moved.

    Args:
        home: A home with an SQLite store, whose tables exist.

    Raises:
        InUseError: If they must be corrected, and another process uses the home.
        sqlite3.Error: If the database cannot be read or written.
    """
    assert home.database is not None
    with closing(sqlite3.connect(home.database, timeout=20, isolation_level=None)) as database:
        if not any(_former(database, home)):
            return
        with held(home.journal):
            if living(home.journal):
                what = f"{home.root} has another name or place than before, and a sweep uses it"
                raise InUseError(f"{what}; wait for its end, or use the name that it uses")
            database.execute("BEGIN IMMEDIATE")
            with database:
                # Another process may have done it meanwhile.
                for folder in list(_former(database, home)):
                    _rewrite(database, folder, address_of(home.artifacts))


def refuse_lost_folder(study: str, location: str) -> None:
    """Refuses a study whose artifacts lie in a home that is gone; MLflow would make it anew.

    Args:
        study: The study's name.
        location: The address of its artifacts.

    Raises:
        StoreError: Naming the folder.
    """
    folder = _artifacts_of(location)
    if folder is not None and not _path(folder).parent.exists():
        what = f"the artifacts of '{study}' lie in {_path(folder)}, and this home is gone"
        raise StoreError(f"{what}; move it back, or name its new place with --home")


def _former(database: sqlite3.Connection, home: Home) -> Iterator[str]:
    """Addresses of artifact folders where this home was before."""
    seen = set()
    for (location,) in database.execute(_STUDIES).fetchall():
        folder = _artifacts_of(location)
        if folder is None or folder in seen or is_same_place(_path(folder), home.artifacts):
            continue
        is_gone = not _path(folder).parent.exists()
        is_here = (home.artifacts / _path(location).name).is_dir()
        # Another home may record in this one's database, with artifacts of its own.
        if home.owns_store:
            is_ours = is_gone or is_here or _has(_path(folder).parent, location)
        else:
            is_ours = is_gone and is_here
        if is_ours:
            seen.add(folder)
            yield folder


def _has(root: Path, location: str) -> bool:
    """Whether the database in a home has a study with these artifacts, so that ours is a copy."""
    file = root / DATABASE
    if not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return (location,) in database.execute(_STUDIES).fetchall()
    except sqlite3.Error:
        return False


def _artifacts_of(location: str | None) -> str | None:
    """The address of a home's artifacts, from that of a study; None: of another kind."""
    folder = (location or "").rpartition("/")[0]
    is_ours = folder.startswith(f"{_FILE}/") and folder.endswith("/artifacts")
    return folder if is_ours else None


def _path(address: str) -> Path:
    return Path(urllib.parse.unquote(address.removeprefix(_FILE)))


def _rewrite(database: sqlite3.Connection, before: str, now: str) -> None:
    """Replaces the beginning of each address below a folder."""
    start, length = f"{before}/", len(before) + 1
    for table, column in _columns(database):
        database.execute(
            f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
            f'WHERE substr("{column}", 1, ?) = ?',
            (f"{now}/", length + 1, length, start),
        )


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """The tables and columns of MLflow that hold addresses of artifacts."""
    columns = database.execute(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, "
        "pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'"
    ).fetchall()
    return [(table, column) for table, column in columns if column in _PLACES]
