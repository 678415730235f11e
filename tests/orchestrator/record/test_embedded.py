"""The file of an embedded store: whole, made once, whoever comes at the same time or is killed."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.record.embedded import make_once, prepare


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mlflow.db"


def _make(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")


def _tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


def test_it_is_made_and_nothing_is_left_beside(database: Path) -> None:
    make_once(database, _make)
    assert _tables(database) == ["runs"]
    assert list(database.parent.iterdir()) == [database]


def test_of_several_at_once_one_makes_it(database: Path) -> None:
    began, made = threading.Event(), []

    def slow(path: Path) -> None:
        began.set()
        made.append(path)
        _make(path)

    threads = [threading.Thread(target=make_once, args=(database, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert began.is_set()
    assert len(made) == 1
    assert _tables(database) == ["runs"]


def test_one_that_is_there_is_left_as_it_is(database: Path) -> None:
    database.write_text("whatever it is")

    def never(path: Path) -> None:
        raise AssertionError("nothing is to be made")

    make_once(database, never)
    assert database.read_text() == "whatever it is"


def test_what_was_begun_by_one_who_was_killed_is_begun_anew(database: Path) -> None:
    def killed(path: Path) -> None:
        _make(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_once(database, killed)
    assert not database.exists()
    make_once(database, _make)
    assert _tables(database) == ["runs"]
    assert list(database.parent.iterdir()) == [database]


def test_readers_do_not_wait_for_the_writer(database: Path) -> None:
    make_once(database, _make)
    prepare(database)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "mlflow" / "empty.db"


def _make_with_first_experiment(path: Path) -> None:
    _make(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE experiments (location TEXT)")
        connection.execute("INSERT INTO experiments VALUES ('here')")


def _never(path: Path) -> None:
    raise AssertionError("nothing is to be made")


def test_the_next_one_is_a_copy_without_the_first_experiment(
    tmp_path: Path, template: Path
) -> None:
    databases = [tmp_path / name / "mlflow.db" for name in ("one", "two")]
    for database, make in zip(databases, (_make_with_first_experiment, _never), strict=True):
        database.parent.mkdir()
        make_once(database, make, template=template)
        assert list(database.parent.iterdir()) == [database]
        assert _tables(database) == ["runs", "experiments"]
    found = []
    for database in databases:
        with closing(sqlite3.connect(database)) as connection:
            found.append(connection.execute("SELECT * FROM experiments").fetchall())
    assert found == [[("here",)], []]
    assert list(template.parent.iterdir()) == [template]


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" * 300])
def test_a_damaged_template_is_replaced(database: Path, template: Path, content: bytes) -> None:
    template.parent.mkdir(parents=True)
    template.write_bytes(content)
    make_once(database, _make_with_first_experiment, template=template)
    assert _tables(database) == ["runs", "experiments"]
    database.unlink()
    make_once(database, _never, template=template)
    assert _tables(database) == ["runs", "experiments"]


def test_without_a_place_for_the_template_it_is_made_each_time(
    database: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    make_once(database, _make_with_first_experiment, template=tmp_path / "file" / "empty.db")
    assert _tables(database) == ["runs", "experiments"]


def test_what_is_left_of_a_deleted_database_is_not_read_into_the_new_one(
    database: Path, tmp_path: Path
) -> None:
    database.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE runs (name)")
        connection.execute("INSERT INTO runs VALUES ('former')")
        connection.commit()
        # As after a kill: what was written last is beside the database.
        left = database.with_name("left-wal")
        shutil.copy(database.with_name(f"{database.name}-wal"), left)
    database.unlink()
    left.rename(database.with_name(f"{database.name}-wal"))

    def make(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE runs (name)")

    make_once(database, make)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT * FROM runs").fetchall() == []


END = """
import sys
from pathlib import Path
from orchestrator.record.embedded import gather_at_exit
for name in sys.argv[1:]:
    gather_at_exit(Path(name))
"""


def test_a_database_is_whole_in_its_one_file_when_the_process_ends(tmp_path: Path) -> None:
    database = tmp_path / "a b%.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE runs (name)")
        connection.execute("CREATE INDEX names ON runs (name)")
        connection.execute("INSERT INTO runs VALUES ('last')")
        connection.commit()
        # This process has it still open, as a server may.
        command = [sys.executable, "-c", END, str(database), "gone.db"]
        assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
        copy = shutil.copy(database, tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT * FROM runs").fetchall() == [("last",)]
        # Its rows were counted, so that SQLite chooses among indices.
        assert connection.execute("SELECT * FROM sqlite_stat1").fetchall() == [
            ("runs", "names", "1 1")
        ]
    assert not (tmp_path / "gone.db").exists()
