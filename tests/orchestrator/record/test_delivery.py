"""From the journal to MLflow: all of it, once, in order, whatever the store does."""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record import delivery
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery import Delivery
from orchestrator.record.delivery_lock import InUseError, held
from orchestrator.record.describe import describe
from orchestrator.record.entries import CellDescription, Point
from orchestrator.record.journal import GoneError, Journal
from orchestrator.record.store import MOST_POINTS, Store
from orchestrator.study.cells import Cell
from orchestrator.study.checkpointing import upload_order
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers.storage import write

pytestmark = pytest.mark.slow


class Watched:
    """A real store that notes each call, and may be told to fail."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[tuple[str, Any]] = []
        self.failures: dict[str, int] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            about = arguments[0] if name == "create_cell" else arguments[-1] if arguments else None
            self.calls.append((name, about))
            if self.failures.get(name, 0) > 0:
                self.failures[name] -= 1
                raise ConnectionError("the store does not answer")
            return getattr(self.store, name)(*arguments)

        return call

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class Silent:
    """A store that never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.asked.set()
            self.let_go.wait(30)
            raise ConnectionError("too late")

        return call


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "INTERVAL_S", 0.02)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE_S", 0.05)


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store)


@pytest.fixture
def descriptions(
    store: Store, journal: Journal, study: StudySpec, cells: tuple[Cell, ...]
) -> list[CellDescription]:
    """Of cells whose study is journaled and delivered."""
    record = study_record(study)
    journal.begin_study(record)
    store.open_study(record)
    journal.mark_study_sent(record)
    return [describe(cell, study, tags={}) for cell in cells]


@pytest.fixture
def make_delivery(journal: Journal) -> Callable[[object], Delivery]:
    def make(store: object) -> Delivery:
        return Delivery(journal, cast(Store, store))

    return make


MakeDelivery = Callable[[object], Delivery]


def _points(num_steps: int, *, start: int = 0) -> list[Point]:
    steps = range(start, start + num_steps)
    return [Point(key, step, step / 7, 1000 + step) for step in steps for key in ("a", "b")]


def _train(journal: Journal, description: CellDescription, *, num_steps: int = 5) -> None:
    """A cell from its beginning to its end."""
    journal.begin(description)
    journal.append(description.cell, _points(num_steps))
    journal.end(description.cell, State.FINISHED, {vocabulary.WEIGHTS_SHA256: "abc"})


def _rows(home: Home, run_id: str) -> list[tuple[str, int, int]]:
    assert home.database is not None
    query = "SELECT key, step, timestamp FROM metrics WHERE run_uuid = ?"
    with closing(sqlite3.connect(home.database)) as database:
        return sorted(database.execute(query, [run_id]).fetchall())


def _expected(points: Sequence[Point]) -> list[tuple[str, int, int]]:
    return sorted((point.key, point.step, point.time_ms) for point in points)


def _run_of(journal: Journal, description: CellDescription) -> str:
    entry = journal.entry(description.cell)
    assert entry is not None
    assert entry.run_id is not None
    return entry.run_id


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen within ten seconds"
        time.sleep(0.005)


def _slow(watched: Watched, name: str, seconds: float, patch: pytest.MonkeyPatch) -> None:
    """Lets a call of the store take so much longer."""
    call = getattr(watched.store, name)

    def slowly(*arguments: Any) -> Any:
        time.sleep(seconds)
        return call(*arguments)

    patch.setattr(watched.store, name, slowly)


def test_everything_is_delivered_once_and_in_order(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    for description in (descriptions[3], descriptions[0]):
        _train(journal, description)
    deliverer = make_delivery(watched)
    deliverer.deliver()
    once = ["find_cell", "create_cell", "log_points", "set_state"]
    assert watched.names() == ["open_study", *once, *once]
    created = [argument.cell for name, argument in watched.calls if name == "create_cell"]
    assert created == [descriptions[3].cell, descriptions[0].cell]
    steps = [
        [point.step for point in argument]
        for name, argument in watched.calls
        if name == "log_points"
    ]
    assert steps == [sorted(sent) for sent in steps]
    for description in (descriptions[3], descriptions[0]):
        run_id = _run_of(journal, description)
        assert _rows(home, run_id) == _expected(_points(5))
        run = watched.store.client.get_run(run_id)
        assert run.info.status == "FINISHED"
        assert run.data.tags[vocabulary.WEIGHTS_SHA256] == "abc"
    assert journal.undelivered() == []
    deliverer.deliver()
    assert watched.names() == ["open_study", *once, *once]
    assert deliverer.busy_s > 0


def test_an_embedded_store_counts_its_rows_as_cells_double(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "FIRST_COUNTED", 1)
    deliverer = make_delivery(watched)
    for description, total in zip(descriptions, (1, 2, 2, 3), strict=False):
        _train(journal, description)
        deliverer.deliver()
        assert watched.names().count("analyse") == total
    assert home.database is not None
    with closing(sqlite3.connect(home.database)) as database:
        query = "SELECT COUNT(*) FROM sqlite_stat1 WHERE tbl = 'metrics'"
        assert database.execute(query).fetchone()[0] > 0


def test_what_comes_later_goes_to_the_same_run(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    deliverer = make_delivery(watched)
    journal.begin(descriptions[0])
    journal.append(descriptions[0].cell, _points(2))
    deliverer.deliver()
    run = watched.store.client.get_run(_run_of(journal, descriptions[0]))
    assert run.info.status == "RUNNING"
    journal.append(descriptions[0].cell, _points(2, start=2))
    journal.end(descriptions[0].cell, State.FINISHED)
    deliverer.deliver()
    assert watched.names().count("create_cell") == 1
    assert _rows(home, run.info.run_id) == _expected(_points(4))


def test_more_points_than_a_request_holds_go_in_several(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    num_steps = MOST_POINTS // 2 + 10
    _train(journal, descriptions[0], num_steps=num_steps)
    make_delivery(watched).deliver()
    sent = [len(argument) for name, argument in watched.calls if name == "log_points"]
    assert sent == [MOST_POINTS, 20]
    assert len(_rows(home, _run_of(journal, descriptions[0]))) == 2 * num_steps


def test_after_a_delivery_that_took_long_it_rests_long(
    journal: Journal,
    descriptions: list[CellDescription],
    watched: Watched,
    make_delivery: MakeDelivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _slow(watched, "log_points", 0.05, monkeypatch)
    deliverer = make_delivery(watched)
    journal.begin(descriptions[0])
    journal.append(descriptions[0].cell, _points(1))
    deliverer.start()
    _wait_until(lambda: deliverer.busy_s > 0.05)
    # Of 50 times its 0.05 s; without a rest the next point would go after 0.02 s.
    journal.append(descriptions[0].cell, _points(1, start=1))
    time.sleep(1)
    assert watched.names().count("log_points") == 1
    assert deliverer.close(within_s=30)
    assert watched.names().count("log_points") == 2


def test_a_failure_leaves_its_story_as_an_artifact_and_no_tag(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    journal.begin(descriptions[0])
    tags = {vocabulary.REASON: "no memory", vocabulary.FAILURE_ARTIFACT: "a long story"}
    journal.end(descriptions[0].cell, State.FAILED, tags)
    make_delivery(store).deliver()
    run = store.client.get_run(_run_of(journal, descriptions[0]))
    assert run.info.status == "FAILED"
    assert run.data.tags[vocabulary.REASON] == "no memory"
    assert vocabulary.FAILURE_ARTIFACT not in run.data.tags
    [path] = home.artifacts.rglob(vocabulary.FAILURE_ARTIFACT)
    assert path.read_text() == "a long story"


def test_a_run_that_was_deleted_is_made_anew_with_all_points(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    journal.begin(descriptions[0])
    journal.append(descriptions[0].cell, _points(3))
    make_delivery(store).deliver()
    gone = _run_of(journal, descriptions[0])
    store.client.delete_run(gone)
    journal.append(descriptions[0].cell, _points(2, start=3))
    journal.end(descriptions[0].cell, State.FINISHED)
    make_delivery(store).deliver()
    anew = _run_of(journal, descriptions[0])
    assert anew != gone
    assert _rows(home, anew) == _expected(_points(5))
    assert store.tags_of(anew)[vocabulary.STATE] == State.FINISHED


def test_a_run_that_is_deleted_while_its_cell_trains_is_made_anew(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    deliverer = make_delivery(store)
    journal.begin(descriptions[0])
    journal.append(descriptions[0].cell, _points(3))
    deliverer.start()
    _wait_until(lambda: not journal.undelivered())
    gone = _run_of(journal, descriptions[0])
    store.client.delete_run(gone)
    journal.append(descriptions[0].cell, _points(2, start=3))
    journal.end(descriptions[0].cell, State.FINISHED)
    assert deliverer.close(within_s=20)
    assert _run_of(journal, descriptions[0]) != gone
    assert _rows(home, _run_of(journal, descriptions[0])) == _expected(_points(5))


@pytest.mark.parametrize("call", ["find_cell", "create_cell", "log_points", "set_state"])
def test_a_store_that_fails_for_a_while_loses_nothing(
    call: str,
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    watched.failures[call] = 4
    deliverer = make_delivery(watched)
    deliverer.start()
    for description in descriptions[:3]:
        _train(journal, description)
    _wait_until(lambda: deliverer.last_error is not None)
    assert "ConnectionError: the store does not answer" in str(deliverer.last_error)
    assert deliverer.close(within_s=20)
    assert watched.failures[call] == 0
    assert deliverer.last_error is None
    assert journal.num_unsent() == 0
    for description in descriptions[:3]:
        run_id = _run_of(journal, description)
        assert _rows(home, run_id) == _expected(_points(5))
        assert watched.store.tags_of(run_id)[vocabulary.STATE] == State.FINISHED
    runs = {_run_of(journal, description) for description in descriptions[:3]}
    assert len(runs) == 3


def test_an_answer_that_is_lost_doubles_nothing(
    journal: Journal,
    home: Home,
    store: Store,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _train(journal, descriptions[0])
    answers = [ConnectionError("the answer was lost")]
    log_points = store.log_points

    def logged_but_lost(run_id: str, points: Sequence[Point]) -> None:
        log_points(run_id, points)
        if answers:
            raise answers.pop()

    monkeypatch.setattr(store, "log_points", logged_but_lost)
    deliverer = make_delivery(watched)
    deliverer.start()
    assert deliverer.close(within_s=20)
    assert watched.names().count("log_points") == 2
    assert _rows(home, _run_of(journal, descriptions[0])) == _expected(_points(5))


def test_the_end_does_not_wait_for_a_store_that_never_answers(
    journal: Journal, descriptions: list[CellDescription], make_delivery: MakeDelivery
) -> None:
    silent = Silent()
    _train(journal, descriptions[0])
    deliverer = make_delivery(silent)
    deliverer.start()
    assert silent.asked.wait(10)
    started = time.monotonic()
    assert not deliverer.close(within_s=0.2)
    assert time.monotonic() - started < 2
    assert not deliverer.has_delivered
    assert journal.num_unsent() == len(_points(5))
    assert [entry.description.cell for entry in journal.undelivered()] == [descriptions[0].cell]
    # Nothing is left to do, so the thread ends.
    journal.mark_sent(descriptions[0].cell, _points(5))
    journal.mark_state_sent(descriptions[0].cell, State.FINISHED)
    silent.let_go.set()
    assert deliverer.close(within_s=10)


def test_the_end_waits_for_a_store_that_takes_one_result_after_the_other(
    journal: Journal,
    descriptions: list[CellDescription],
    watched: Watched,
    make_delivery: MakeDelivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _slow(watched, "set_state", 0.6, monkeypatch)
    for description in descriptions[:6]:
        _train(journal, description)
    deliverer = make_delivery(watched)
    deliverer.start()
    # In all it takes longer than that.
    assert not deliverer.close(within_s=2, at_most_s=1.2)
    deliverer = make_delivery(watched)
    for description in descriptions[6:8]:
        _train(journal, description)
    deliverer.start()
    assert deliverer.close(within_s=2, at_most_s=60)


def test_what_was_left_in_the_journal_goes_out_later(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    _train(journal, descriptions[0])
    watched.failures["log_points"] = 10**6
    deliverer = make_delivery(watched)
    deliverer.start()
    assert not deliverer.close(within_s=0.3)
    watched.failures.clear()
    _wait_until(lambda: not deliverer._thread.is_alive())
    make_delivery(watched).deliver()
    assert _rows(home, _run_of(journal, descriptions[0])) == _expected(_points(5))


def test_a_run_of_another_journal_is_adopted_without_doubling(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    tmp_path: Path,
) -> None:
    lost = Journal(tmp_path / "lost.db")
    record = journal.study(descriptions[0].study)
    assert record is not None
    lost.begin_study(record)
    lost.begin(descriptions[0])
    lost.append(descriptions[0].cell, _points(3))
    Delivery(lost, store).deliver()
    theirs = _run_of(lost, descriptions[0])
    lost.close()

    journal.begin(descriptions[0])
    # The same epochs, trained again and later.
    again = [replace(point, time_ms=point.time_ms + 5000) for point in _points(5)]
    journal.append(descriptions[0].cell, again)
    journal.end(descriptions[0].cell, State.FINISHED)
    make_delivery(store).deliver()
    assert _run_of(journal, descriptions[0]) == theirs
    assert _rows(home, theirs) == _expected([*_points(3), *again[6:]])
    assert store.tags_of(theirs)[vocabulary.STATE] == State.FINISHED


def test_checkpoints_follow_when_the_cell_is_recorded_and_again_after_a_failure(
    journal: Journal,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    tmp_path: Path,
) -> None:
    content = b"a state"
    name = f"epoch-000001-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    write(tmp_path / "trial" / name, content)
    order = upload_order(tmp_path / "trial", "last")
    journal.begin(descriptions[0])
    journal.end(descriptions[0].cell, State.FINISHED, {vocabulary.UPLOAD: order})
    watched.failures = {"log_file": 1}
    with pytest.raises(ConnectionError, match="does not answer"):
        make_delivery(watched).deliver()
    entry = journal.entry(descriptions[0].cell)
    assert entry is not None
    assert entry.run_id is not None
    tags = watched.store.tags_of(entry.run_id)
    assert tags[vocabulary.STATE] == State.FINISHED
    assert vocabulary.UPLOAD not in tags
    assert journal.undelivered() == [entry]
    make_delivery(watched).deliver()
    assert journal.undelivered() == []
    folder = vocabulary.CHECKPOINT_ARTIFACTS
    assert watched.store.file_sizes(entry.run_id, folder) == {name: len(content)}
    make_delivery(watched).deliver()
    assert watched.names().count("log_file") == 2


def test_what_mlflow_says_of_a_study_follows_the_newest_record(
    journal: Journal, store: Store, study: StudySpec, make_delivery: MakeDelivery
) -> None:
    record = study_record(study, state=State.RUNNING, texts={"plan.json": "{}"})
    deliverer = make_delivery(store)
    journal.begin_study(record)
    deliverer.deliver()
    assert journal.unsent_studies() == []
    ids = store.open_study(record)
    assert store.tags_of(ids.run)[vocabulary.STATE] == State.RUNNING
    assert store.file_sizes(ids.run, "") == {"plan.json": 2}
    ended = replace(record, state=State.FINISHED, tags={**record.tags, "bnn.x": "y"})
    journal.begin_study(ended)
    deliverer.deliver()
    assert store.open_study(record) == ids
    tags = store.tags_of(ids.run)
    assert (tags[vocabulary.STATE], tags["bnn.x"]) == (State.FINISHED, "y")
    assert store.client.get_run(ids.run).info.status == "FINISHED"


def test_a_study_is_delivered_before_its_cells_though_its_tags_are_not_repeated(
    journal: Journal,
    watched: Watched,
    study: StudySpec,
    cells: tuple[Cell, ...],
    make_delivery: MakeDelivery,
) -> None:
    journal.begin_study(study_record(study))
    for cell in cells[:2]:
        _train(journal, describe(cell, study, tags={}))
    make_delivery(watched).deliver()
    assert watched.names()[0] == "open_study"
    assert watched.names().count("open_study") == 1


def test_of_two_that_deliver_from_one_journal_one_does(
    journal: Journal,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    _train(journal, descriptions[0])
    deliverer = make_delivery(watched)
    with held(journal.path):
        with pytest.raises(InUseError, match="is in use by another"):
            deliverer.deliver()
        assert watched.calls == []
        deliverer.start()
        time.sleep(0.2)
        # Nothing is wrong: whoever is at it delivers ours as well.
        assert deliverer.last_error is None
    assert deliverer.close(within_s=20)
    assert journal.undelivered() == []


def test_a_store_that_is_away_is_asked_once_for_all_cells(
    journal: Journal,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*arguments: object) -> None:
        raise requests.ConnectionError("nobody answers")

    monkeypatch.setattr(watched.store, "find_cell", away)
    for description in descriptions[:3]:
        _train(journal, description)
    with pytest.raises(requests.ConnectionError, match="nobody answers"):
        make_delivery(watched).deliver()
    assert watched.names().count("find_cell") == 1


def test_one_cell_that_cannot_be_delivered_does_not_keep_the_others(
    journal: Journal,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    for description in descriptions[:3]:
        _train(journal, description)
    watched.failures["create_cell"] = 1
    with pytest.raises(ConnectionError, match="does not answer"):
        (deliverer := make_delivery(watched)).deliver()
    # The store answers, so the end of a sweep waits for it.
    assert deliverer.has_delivered
    waiting = [entry.description.cell for entry in journal.undelivered()]
    assert waiting == [descriptions[0].cell]


def _older(journal: Journal, folder: Path) -> Journal:
    """A copy of the journal as it is now."""
    copy = folder / "older.db"
    with closing(sqlite3.connect(journal.path)) as read, closing(sqlite3.connect(copy)) as written:
        read.backup(written)
    return Journal(copy)


def test_an_older_journal_undoes_nothing_that_was_finished_since(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    tmp_path: Path,
) -> None:
    for description in descriptions[:2]:
        journal.begin(description)
    journal.append(descriptions[0].cell, _points(2))
    with closing(_older(journal, tmp_path)) as older:
        older.end(descriptions[0].cell, State.INTERRUPTED)
        journal.append(descriptions[0].cell, _points(5))
        for description in descriptions[:2]:
            journal.end(description.cell, State.FINISHED, {vocabulary.WEIGHTS_SHA256: "abc"})
        make_delivery(store).deliver()
        Delivery(older, store).deliver()
        assert older.undelivered() == []
    for description in descriptions[:2]:
        run = _run_of(journal, description)
        assert store.tags_of(run)[vocabulary.STATE] == State.FINISHED
        assert store.client.get_run(run).info.status == "FINISHED"
    assert _rows(home, _run_of(journal, descriptions[0])) == _expected(_points(5))


def test_an_older_journal_that_knows_the_run_doubles_no_step(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    tmp_path: Path,
) -> None:
    journal.begin(descriptions[0])
    journal.append(descriptions[0].cell, _points(2))
    make_delivery(store).deliver()
    with closing(_older(journal, tmp_path)) as older:
        journal.append(descriptions[0].cell, _points(5))
        make_delivery(store).deliver()
        # Epochs that are trained again, since nothing of them is known there.
        again = [replace(point, time_ms=point.time_ms + 5000) for point in _points(7)]
        older.begin(descriptions[0])
        older.append(descriptions[0].cell, again)
        older.end(descriptions[0].cell, State.FINISHED)
        Delivery(older, store).deliver()
    run = _run_of(journal, descriptions[0])
    assert _rows(home, run) == _expected([*_points(5), *again[10:]])
    assert store.tags_of(run)[vocabulary.STATE] == State.FINISHED


def test_nothing_is_delivered_once_the_home_was_moved(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    _train(journal, descriptions[0])
    home.root.rename(home.root.with_name("moved"))
    with pytest.raises(GoneError, match="was moved, deleted or replaced"):
        make_delivery(watched).deliver()
    assert watched.calls == []
    assert not home.root.exists()


def test_a_home_that_is_moved_between_two_cells_is_noticed(
    journal: Journal,
    home: Home,
    watched: Watched,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for description in descriptions[:2]:
        _train(journal, description)
    set_state = watched.store.set_state

    def moving(*arguments: Any) -> None:
        set_state(*arguments)
        home.root.rename(home.root.with_name("moved"))

    monkeypatch.setattr(watched.store, "set_state", moving)
    with pytest.raises(GoneError, match="was moved, deleted or replaced"):
        make_delivery(watched).deliver()
    assert watched.names().count("create_cell") == 1
    assert not home.root.exists()


def test_an_experiment_that_is_deleted_meanwhile_and_restored_has_all_once(
    journal: Journal,
    home: Home,
    store: Store,
    descriptions: list[CellDescription],
    make_delivery: MakeDelivery,
) -> None:
    deliverer = make_delivery(store)
    journal.begin(descriptions[0])
    journal.append(descriptions[0].cell, _points(3))
    deliverer.deliver()
    run, experiment = _run_of(journal, descriptions[0]), store.find_study("tiny")
    assert experiment is not None
    store.client.delete_experiment(experiment)
    _train(journal, descriptions[1])
    journal.append(descriptions[0].cell, _points(2, start=3))
    journal.end(descriptions[0].cell, State.FINISHED, {vocabulary.WEIGHTS_SHA256: "abc"})
    for _ in range(2):
        with pytest.raises(Exception, match=r"deleted|active"):
            make_delivery(store).deliver()
    assert len(journal.undelivered()) == 2
    store.client.restore_experiment(experiment)
    make_delivery(store).deliver()
    assert journal.undelivered() == []
    assert _run_of(journal, descriptions[0]) == run
    for description in descriptions[:2]:
        assert _rows(home, _run_of(journal, description)) == _expected(_points(5))
    assert home.database is not None
    with closing(sqlite3.connect(home.database)) as database:
        query = "SELECT COUNT(*) FROM tags WHERE key = 'bnn.kind' AND value = 'cell'"
        assert database.execute(query).fetchone() == (2,)
