"""The journal: what is written stays, once, in order, also over a restart."""

import math
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import vocabulary
from orchestrator.free_space import DiskFullError
from orchestrator.record.entries import CellDescription, Point, StudyRecord
from orchestrator.record.journal import GoneError, Journal, JournalError
from orchestrator.study.cells import study_key
from orchestrator.vocabulary import State

MakeDescription = Callable[..., CellDescription]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


@pytest.fixture
def begun(journal: Journal, make_description: MakeDescription) -> Journal:
    """With two cells, a and b."""
    for cell in ("b", "a"):
        journal.begin(make_description(cell))
    return journal


def _cells(journal: Journal) -> list[str]:
    return [entry.description.cell for entry in journal.undelivered()]


def test_a_cell_that_begins_is_described_and_running(
    journal: Journal, make_description: MakeDescription
) -> None:
    description = make_description("a", params={"lr": "0.1"}, tags={"bnn.cell": "a"})
    journal.begin(description)
    entry = journal.entry("a")
    assert entry is not None
    assert entry.description == description
    assert (entry.state, entry.tags) == (State.RUNNING, {})
    assert (entry.run_id, entry.state_sent) == (None, None)
    assert journal.entry("b") is None


def test_of_two_points_at_one_place_the_first_stays(begun: Journal) -> None:
    begun.append("a", [Point("test/error", 0, 0.5, 1000)])
    begun.append("a", [Point("test/error", 0, 0.9, 2000), Point("test/error", 1, 0.4, 2000)])
    assert begun.points("a") == [
        Point("test/error", 0, 0.5, 1000),
        Point("test/error", 1, 0.4, 2000),
    ]
    assert begun.points("b") == []


def test_points_come_in_the_order_of_their_steps_and_not_more_than_asked(begun: Journal) -> None:
    points = [Point(key, step, 0.5, step) for key in ("z", "a") for step in (10, 2, 0)]
    begun.append("a", points)
    order = [("a", 0), ("z", 0), ("a", 2), ("z", 2), ("a", 10), ("z", 10)]
    assert [(point.key, point.step) for point in begun.unsent("a", most=100)] == order
    assert [(point.key, point.step) for point in begun.unsent("a", most=3)] == order[:3]
    assert [(point.key, point.step) for point in begun.points("a")] == order


def test_what_was_sent_is_not_sent_again(begun: Journal) -> None:
    begun.append("a", [Point("k", step, 0.5, step) for step in range(4)])
    begun.append("b", [Point("k", 0, 0.5, 0)])
    begun.mark_sent("a", begun.unsent("a", most=3))
    assert [point.step for point in begun.unsent("a", most=10)] == [3]
    assert begun.num_unsent() == 2
    begun.append("a", [Point("k", 0, 0.7, 9)])
    assert begun.num_unsent() == 2


def test_a_value_that_is_no_number_survives(begun: Journal) -> None:
    begun.append("a", [Point("k", 0, math.nan, 5), Point("k", 1, math.inf, 6)])
    first, second = begun.points("a")
    assert math.isnan(first.value)
    assert second.value == math.inf


def test_cells_are_undelivered_until_their_state_and_points_are_sent(begun: Journal) -> None:
    assert _cells(begun) == ["b", "a"]
    for cell in ("a", "b"):
        begun.mark_state_sent(cell, State.RUNNING)
    assert _cells(begun) == []
    begun.append("a", [Point("k", 0, 0.5, 0)])
    assert _cells(begun) == ["a"]
    begun.mark_sent("a", begun.unsent("a", most=10))
    assert _cells(begun) == []
    begun.end("b", State.FINISHED)
    assert _cells(begun) == ["b"]
    begun.mark_state_sent("b", State.FINISHED)
    assert _cells(begun) == []


def test_cells_come_in_the_order_in_which_they_began(begun: Journal) -> None:
    begun.append("a", [Point("k", 0, 0.5, 0)])
    begun.end("a", State.FINISHED)
    assert _cells(begun) == ["b", "a"]


def test_an_end_has_a_state_and_tags(begun: Journal) -> None:
    begun.end("a", State.FAILED, {vocabulary.REASON: "no luck"})
    entry = begun.entry("a")
    assert entry is not None
    assert (entry.state, entry.tags) == (State.FAILED, {vocabulary.REASON: "no luck"})
    other = begun.entry("b")
    assert other is not None
    assert other.state == State.RUNNING


def test_a_cell_that_begins_again_keeps_its_run_and_its_points(
    begun: Journal, make_description: MakeDescription
) -> None:
    begun.append("a", [Point("k", 0, 0.5, 0)])
    begun.set_run("a", "run-1")
    begun.end("a", State.INTERRUPTED)
    begun.begin(make_description("a", name="another name"))
    entry = begun.entry("a")
    assert entry is not None
    assert (entry.state, entry.run_id) == (State.RUNNING, "run-1")
    assert entry.description.name == "another name"
    assert len(begun.points("a")) == 1


def test_a_run_that_is_gone_makes_everything_unsent(begun: Journal) -> None:
    for cell in ("a", "b"):
        begun.append(cell, [Point("k", step, 0.5, step) for step in range(3)])
        begun.set_run(cell, f"run of {cell}")
        begun.mark_sent(cell, begun.points(cell))
        begun.mark_state_sent(cell, State.RUNNING)
    begun.forget_run("a")
    assert _cells(begun) == ["a"]
    assert len(begun.unsent("a", most=10)) == 3
    assert begun.unsent("b", most=10) == []
    entry = begun.entry("a")
    assert entry is not None
    assert (entry.run_id, entry.state_sent) == (None, None)


def test_everything_is_there_after_a_restart_without_a_close(begun: Journal, path: Path) -> None:
    begun.append("a", [Point("k", 0, 0.5, 7)])
    begun.end("a", State.FINISHED, {"tag": "value"})
    again = Journal(path)
    assert again.points("a") == [Point("k", 0, 0.5, 7)]
    assert [entry.state for entry in again.undelivered()] == ["running", "finished"]
    again.close()


def test_a_commit_is_flushed_and_readers_do_not_wait(begun: Journal, path: Path) -> None:
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    # 2 is FULL: under WAL only this flushes at each commit.
    assert begun._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_journal_of_a_newer_program_is_refused(path: Path) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(JournalError, match=r"has version 99, this program knows 2; use the newer"):
        Journal(path)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database, but long enough to be looked at" * 100)
    with pytest.raises(JournalError, match="cannot be used as a journal"):
        Journal(path)


def test_several_threads_lose_nothing(begun: Journal) -> None:
    def write(number: int) -> None:
        for step in range(20):
            begun.append("a", [Point(f"k{number}", step, 0.5, 0)])
            begun.mark_sent("a", [Point(f"k{number}", step, 0.5, 0)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun.points("a")) == 80
    assert begun.num_unsent() == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from("xy"),
            st.integers(0, 3),
            st.floats(allow_nan=False, width=32),
            st.integers(0, 2**40),
        ),
        max_size=20,
    )
)
def test_the_first_value_of_each_place_stays(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float, int]]
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal.db")
    first: dict[tuple[str, int], Point] = {}
    for key, step, value, time_ms in rows:
        point = Point(key, step, value, time_ms)
        first.setdefault((key, step), point)
        journal.append("a", [point])
    places = sorted(first, key=lambda place: (place[1], place[0]))
    assert journal.points("a") == [first[place] for place in places]
    journal.close()


def test_a_disk_that_is_full_ends_all_writing_and_loses_nothing_before(
    tmp_path: Path, make_description: Callable[..., CellDescription]
) -> None:
    description = make_description()
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.begin(description)
        journal.append(description.cell, [Point("a", 0, 1.0, 1000)])
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        with (
            pytest.raises(DiskFullError, match="cannot be written"),
            journal._write(),
        ):
            raise error
        # With room again an epoch would be missing before this one.
        with pytest.raises(DiskFullError, match="make room"):
            journal.append(description.cell, [Point("a", 2, 1.0, 1000)])
        assert [point.step for point in journal.points(description.cell)] == [0]
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.append(description.cell, [Point("a", 1, 1.0, 1000)])
        assert [point.step for point in journal.points(description.cell)] == [0, 1]


def test_other_errors_of_the_database_stay_what_they_are(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        with pytest.raises(sqlite3.OperationalError, match="locked"), journal._write():
            raise sqlite3.OperationalError("database is locked")
        assert journal.num_unsent() == 0


def _record(name: str = "tiny", variant: str = "v", **changes: str) -> StudyRecord:
    parts = {"title": name, "question": "Why?", **changes}
    return StudyRecord(name=name, variant=variant, tags={"bnn.kind": "parent"}, **parts)


def test_a_study_waits_until_mlflow_has_its_newest_record(journal: Journal) -> None:
    assert journal.study("tiny/v") is None
    first, other = _record(), _record("other")
    for record in (first, other):
        journal.begin_study(record)
    assert journal.study(study_key("tiny", "v")) == first
    assert journal.unsent_studies() == [first, other]
    journal.mark_study_sent(first)
    assert journal.unsent_studies() == [other]
    later = _record(state=State.FINISHED)
    journal.begin_study(later)
    # Confirmed too late: MLflow has the record before.
    journal.mark_study_sent(first)
    assert journal.unsent_studies() == [later, other]


def test_the_variants_of_a_study_come_in_the_order_in_which_they_began(journal: Journal) -> None:
    records = [_record(), _record(variant="w"), _record("other")]
    for record in (*records, records[0]):
        journal.begin_study(record)
    assert journal.variants("tiny") == records[:2]
    assert journal.variants("tin") == []


def test_a_trial_is_found_in_whichever_study_it_was_finished(
    journal: Journal, make_description: MakeDescription
) -> None:
    ends = {
        "a": (State.FINISHED, {}),
        "b": (State.FINISHED, {vocabulary.STOPPED_EARLY: "after 2 epochs"}),
        "c": (State.FAILED, {}),
        "d": (State.FINISHED, {}),
    }
    for cell, (state, tags) in ends.items():
        journal.begin(make_description(cell, study=f"study-{cell}/v"))
        journal.end(cell, state, tags)
    journal.begin(make_description("e", trial="f" * 16))
    found = journal.finished(make_description().trial)
    assert [entry.description.cell for entry in found] == ["a", "d"]
    assert [entry.description.cell for entry in journal.entries("study-c/v")] == ["c"]
    assert journal.finished("f" * 16) == []


def test_the_value_of_a_metric_is_its_last_point(begun: Journal) -> None:
    assert begun.value("a", "loss") is None
    begun.append("a", [Point("loss", 3, 0.25, 0), Point("loss", 1, 0.5, 0)])
    assert begun.value("a", "loss") == 0.25
    assert begun.value("b", "loss") is None


def test_a_study_that_mlflow_has_lost_is_to_be_delivered_again_and_no_other(
    journal: Journal, make_description: MakeDescription
) -> None:
    for name, variant in (("tiny", "v"), ("tiny", "w"), ("other", "v")):
        record = _record(name, variant)
        journal.begin_study(record)
        journal.mark_study_sent(record)
        cell = f"{record.key}/cell"
        journal.begin(make_description(cell, study=record.key))
        journal.append(cell, [Point("loss", 0, 0.5, 0)])
        journal.set_run(cell, "run")
        journal.mark_sent(cell, journal.points(cell))
        journal.mark_state_sent(cell, State.RUNNING)
    assert journal.delivered_studies() == ["tiny", "other"]
    assert journal.undelivered() == []
    journal.forget_study("tiny")
    assert journal.delivered_studies() == ["other"]
    assert _cells(journal) == ["tiny/v/cell", "tiny/w/cell"]
    assert [entry.run_id for entry in journal.undelivered()] == [None, None]
    assert [record.key for record in journal.unsent_studies()] == ["tiny/v", "tiny/w"]
    assert journal.num_unsent() == 2


def _first_schema(path: Path, *, is_sent: bool) -> None:
    """What the first schema had, with one cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE cells (cell TEXT PRIMARY KEY, description TEXT, state TEXT, tags TEXT,"
            " run_id TEXT, state_sent TEXT);"
            "CREATE TABLE points (cell TEXT, key TEXT, step INTEGER, value REAL, time_ms INTEGER,"
            " sent INTEGER, PRIMARY KEY (cell, key, step)) WITHOUT ROWID;"
            "INSERT INTO cells VALUES ('a', '{}', 'finished', '{}', 'run', 'finished');"
            f"INSERT INTO points VALUES ('a', 'loss', 0, 0.5, 0, {int(is_sent)});"
            "PRAGMA user_version=1"
        )


def test_a_journal_of_the_first_schema_is_begun_anew_once_mlflow_has_all(path: Path) -> None:
    _first_schema(path, is_sent=True)
    with closing(Journal(path)) as journal:
        assert journal.undelivered() == []
        assert journal.entry("a") is None
        journal.begin_study(_record())
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_journal_of_the_first_schema_that_holds_results_is_kept(path: Path) -> None:
    _first_schema(path, is_sent=False)
    with pytest.raises(JournalError, match=r"has version 1, .* use the older program"):
        Journal(path)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT COUNT(*) FROM points").fetchone() == (1,)


def test_a_journal_that_is_damaged_within_is_refused_at_once(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.append("a", [Point(f"metric/{step}", step, 0.5, 0) for step in range(5000)])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xa5" * 8192
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"damaged.*; move it away to continue: a new one is"):
        Journal(path)


def test_a_cell_that_begins_again_is_sent_again_also_if_it_ends_as_before(
    tmp_path: Path, make_description: Callable[..., CellDescription]
) -> None:
    journal = Journal(tmp_path / "journal.db")
    description = make_description("a")
    journal.begin(description)
    journal.end(description.cell, State.FINISHED)
    journal.mark_state_sent(description.cell, State.FINISHED)
    assert journal.undelivered() == []
    journal.begin(description)
    journal.end(description.cell, State.FINISHED)
    assert [entry.description.cell for entry in journal.undelivered()] == [description.cell]
    journal.close()


def test_a_journal_that_is_moved_keeps_its_id_and_a_copy_gets_another(tmp_path: Path) -> None:
    def id_at(path: Path) -> str:
        with closing(Journal(path)) as journal:
            assert journal.home == journal.home
            return journal.home

    path = tmp_path / "home" / "journal.db"
    first = id_at(path)
    copy = shutil.copytree(path.parent, tmp_path / "copy") / path.name
    assert id_at(copy) != first
    assert id_at(copy) == id_at(copy)
    moved = path.parent.rename(tmp_path / "moved") / path.name
    assert id_at(moved) == first
    # That of an earlier version says nothing of its file.
    with closing(sqlite3.connect(moved)) as database, database:
        database.execute("UPDATE home SET id = '0123456789ab'")
    assert id_at(moved) not in ("0123456789ab", first)
    assert id_at(moved) == id_at(moved)


def _move(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


def _put_a_file_there(path: Path) -> None:
    _move(path)
    path.parent.touch()


@pytest.mark.parametrize("change", [_move, Path.unlink, _replace, _put_a_file_there])
def test_a_journal_that_is_no_longer_in_its_place_says_so(
    change: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "home" / "journal.db"
    with closing(Journal(path)) as journal:
        journal.refuse_gone()
        change(path)
        assert journal.is_gone
        with pytest.raises(GoneError, match=r"journal.db was moved, deleted or replaced .*--home"):
            journal.refuse_gone()
    assert GoneError("x").exit_code == 1


def test_a_link_to_the_home_may_change(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")
    with closing(Journal(tmp_path / "link" / "journal.db")) as journal:
        (tmp_path / "home").rename(tmp_path / "moved")
        assert journal.is_gone
        (tmp_path / "home").symlink_to("moved")
        assert not journal.is_gone


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"/file/home cannot be used for results: Not a dir"):
        Journal(tmp_path / "file" / "home" / "journal.db")


def test_what_is_to_be_sent_again_goes_to_the_run_that_is_there(begun: Journal) -> None:
    cell = begun.undelivered()[0].description.cell
    begun.append(cell, [Point("a", step, step / 2, 1000 + step) for step in range(3)])
    begun.append(cell, [Point("b", 0, math.nan, 1000)])
    assert begun.last_sent(cell) == {}
    begun.mark_sent(cell, begun.points(cell)[:3])
    last = begun.last_sent(cell)
    assert last["a"] == Point("a", 1, 0.5, 1001)
    assert math.isnan(last["b"].value)
    begun.set_run(cell, "run")
    begun.mark_state_sent(cell, State.RUNNING)
    begun.resend(cell)
    [entry] = [entry for entry in begun.undelivered() if entry.description.cell == cell]
    assert (entry.run_id, entry.state_sent) == ("run", None)
    assert len(begun.unsent(cell, most=99)) == 4
