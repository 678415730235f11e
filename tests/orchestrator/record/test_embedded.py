"""The file of an embedded store: whole, made once, whoever comes at the same time or is killed."""

import sqlite3
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
