"""MLflow as the store: each thing once, found again, and what it refuses."""

import json
import math
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.mlflow_reader.outages import may_answer_later
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.conflicts import study_record
from orchestrator.record.describe import describe
from orchestrator.record.entries import CellDescription, Point
from orchestrator.record.store import MOST_POINTS, Look, Store, StudyIds
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow

Describe = Callable[..., CellDescription]


@pytest.fixture
def describe_cell(study: StudySpec) -> Describe:
    """The description of a cell."""

    def of(cell: Cell, **tags: str) -> CellDescription:
        return describe(cell, study, tags=tags)

    return of


@pytest.fixture
def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _rows(home: Home, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    assert home.database is not None
    with closing(sqlite3.connect(home.database)) as database:
        return database.execute(query, arguments).fetchall()


def test_a_fresh_home_gets_a_database_in_wal_mode(home: Home) -> None:
    Store(home)
    assert _rows(home, "PRAGMA journal_mode") == [("wal",)]


def test_a_store_that_cannot_be_opened_is_refused(home: Home) -> None:
    with pytest.raises(StoreError, match="no-such-scheme"):
        Store(replace(home, tracking_uri="no-such-scheme://host"))


def test_a_database_server_that_is_away_is_silent_for_now(home: Home, free_port: int) -> None:
    uri = f"postgresql+psycopg://ml:geheim7@127.0.0.1:{free_port}/runs"
    began = time.monotonic()
    silence = Store(replace(home, tracking_uri=uri)).silence()
    # MLflow by itself tries for two minutes.
    assert time.monotonic() - began < 20
    assert silence is not None
    assert "refused" in silence
    assert "geheim7" not in silence


def test_a_database_without_its_driver_is_refused_by_the_drivers_name(home: Home) -> None:
    store = Store(replace(home, tracking_uri="mysql+nodriver://ml:pw@127.0.0.1/runs"))
    with pytest.raises(StoreError, match="nodriver"):
        store.silence()


@pytest.mark.parametrize("uri", ["http://ml:S3cr/et@127.0.0.1:9", "http://", "http://host:port"])
def test_an_address_that_would_be_cut_is_refused_before_it_is_used(uri: str, home: Home) -> None:
    with pytest.raises(StoreError, match=r"cannot be read: .* as %2F") as caught:
        Store(replace(home, tracking_uri=uri))
    assert "S3cr" not in str(caught.value)


def test_points_are_stored_when_the_call_returns_whatever_the_environment_says(
    store: Store, study: StudySpec, describe_cell: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    ids = store.open_study(study_record(study))
    run_id = store.create_cell(describe_cell(expand(study)[0]), ids)

    def fails(*arguments: object, **options: object) -> None:
        raise RuntimeError("the store is away")

    monkeypatch.setattr(type(store.client._tracking_client.store), "log_batch", fails)
    with pytest.raises(RuntimeError, match="the store is away"):
        store.log_points(run_id, [Point("lr", 0, 0.1, 1)])
    with pytest.raises(RuntimeError, match="the store is away"):
        store.set_tags(run_id, {"some": "tag"})


def test_a_database_that_is_none_is_refused(home: Home) -> None:
    assert home.database is not None
    home.database.write_text("no database " * 1000)
    with pytest.raises(StoreError, match=r"mlflow.db.*not a database"):
        Store(home)


def test_a_study_is_opened_once(store: Store, home: Home, study: StudySpec) -> None:
    record = study_record(study)
    first = store.open_study(replace(record, tags={"bnn.metric": "a", "bnn.kept": "k"}))
    second = store.open_study(replace(record, tags={"bnn.metric": "b"}))
    assert first == second
    assert Store(home).open_study(replace(record, tags={})) == first
    tags = store.tags_of(first.run)
    assert tags[vocabulary.KIND] == vocabulary.PARENT
    assert (tags["bnn.metric"], tags["bnn.kept"]) == ("b", "k")
    assert _rows(home, "SELECT COUNT(*) FROM runs") == [(1,)]
    experiment = store.client.get_experiment(first.experiment)
    assert experiment.name == "tiny"
    assert experiment.tags["mlflow.note.content"] == study.question
    assert experiment.artifact_location == f"file://{home.artifacts}/tiny"


def test_each_variant_has_a_run_of_its_own_in_the_same_experiment(
    store: Store, study: StudySpec
) -> None:
    full = store.open_study(study_record(study))
    scaled = store.open_study(study_record(replace(study, variant=Variant(epoch_scale="0.5"))))
    assert full.experiment == scaled.experiment
    assert full.run != scaled.run


def test_a_study_whose_experiment_was_deleted_is_refused(store: Store, study: StudySpec) -> None:
    ids = store.open_study(study_record(study))
    store.client.delete_experiment(ids.experiment)
    with pytest.raises(StoreError, match="'tiny' was deleted in MLflow; restore it there"):
        store.open_study(study_record(study))


def test_a_cell_is_made_once_and_found_again(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    description = describe_cell(cells[0])
    assert store.find_cell(description, ids) is None
    run_id = store.create_cell(description, ids)
    assert store.find_cell(description, ids) == run_id
    assert store.find_cell(describe_cell(cells[1]), ids) is None
    run = store.client.get_run(run_id)
    assert run.info.run_name == cells[0].name
    assert run.data.params == dict(description.params)
    assert description.tags.items() <= run.data.tags.items()
    assert run.data.tags["mlflow.parentRunId"] == ids.run


@pytest.mark.parametrize("label", ["it's", 'say "hi"', "100 %", "a\\b", "größer", "`tick`"])
def test_a_cell_is_found_whatever_its_label_holds(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, label: str, ids: StudyIds
) -> None:
    description = describe_cell(replace(cells[0], labels={"order": label, "seed": "1"}))
    run_id = store.create_cell(description, ids)
    assert store.find_cell(description, ids) == run_id


def test_of_twins_the_older_stays(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    description = describe_cell(cells[0])
    older = store.create_cell(description, ids)
    time.sleep(0.002)
    twin = store.client.create_run(ids.experiment, tags=dict(description.tags))
    assert store.find_cell(description, ids) == older
    assert store.is_gone(twin.info.run_id)
    assert not store.is_gone(older)


def test_a_cell_made_while_its_twin_was_lost_is_the_older_of_both(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    description = describe_cell(cells[0])
    # As when the answer to the first request never came.
    lost = store.client.create_run(ids.experiment, tags=dict(description.tags))
    time.sleep(0.002)
    assert store.create_cell(description, ids) == lost.info.run_id


def test_a_study_whose_first_answer_was_lost_has_one_run(store: Store, study: StudySpec) -> None:
    record = study_record(study)
    made = store.client.create_run

    def lost(*arguments: Any, **options: Any) -> Any:
        """As the client does that heard nothing: it asks again."""
        made(*arguments, **options)
        time.sleep(0.002)
        return made(*arguments, **options)

    store.client.create_run = lost
    first = store.open_study(record)
    assert list(store.parents()) == [first]
    assert store.open_study(record) == first
    assert list(store.parents()) == [first]


def test_of_two_runs_of_a_study_the_one_that_a_sweep_holds_stays(
    store: Store, study: StudySpec
) -> None:
    record = study_record(study)
    older = store.open_study(record)
    tags = store.tags_of(older.run)
    time.sleep(0.002)
    held = store.client.create_run(
        older.experiment, tags={**tags, vocabulary.HELD.format(holder="a.1"): "{}"}
    )
    assert store.open_study(record).run == held.info.run_id
    assert store.is_gone(older.run)


def test_an_experiment_that_somebody_makes_meanwhile_is_used(
    store: Store, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = study_record(study)
    there = store.open_study(record)
    found = store.client.get_experiment_by_name
    answers = [None]
    monkeypatch.setattr(
        store.client,
        "get_experiment_by_name",
        lambda name: answers.pop() if answers else found(name),
    )
    assert store.open_study(record) == there
    assert not answers


def test_two_that_open_studies_at_once_leave_one_run_of_each(home: Home, study: StudySpec) -> None:
    stores = [Store(home), Store(home)]
    records = [replace(study_record(study), name=f"study-{number}") for number in range(8)]
    with ThreadPoolExecutor(2) as pool:
        for record in records:
            for done in [pool.submit(store.open_study, record) for store in stores]:
                done.result(60)
    for record in records:
        assert stores[0].open_study(record) == stores[1].open_study(record)
    assert len(stores[0].parents()) == len(records)


def test_points_that_are_sent_twice_are_there_once(
    store: Store, home: Home, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    run_id = store.create_cell(describe_cell(cells[0]), ids)
    points = [
        Point(f"curve {key}", step, step / 7, 1000 + step) for key in "ab" for step in range(9)
    ]
    points.append(Point("curve c", 0, math.nan, 1000))
    for _ in range(2):
        store.log_points(run_id, points)
    rows = _rows(home, "SELECT key, step, timestamp FROM metrics WHERE run_uuid = ?", run_id)
    assert sorted(rows) == sorted((p.key, p.step, p.time_ms) for p in points)


def test_points_come_back_as_they_were(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    run_id = store.create_cell(describe_cell(cells[0]), ids)
    points = [Point("a/b", 0, 0.1, 1000), Point("a/b", 1, 1e-30, 1001), Point("c", 5, 2.0, 1002)]
    store.log_points(run_id, [*points, Point("n", 0, math.nan, 1003)])
    back = store.points_of(run_id)
    assert sorted(back[:3], key=lambda p: p.time_ms) == points
    [missing] = [point for point in back if point.key == "n"]
    assert math.isnan(missing.value)


def test_as_many_points_as_a_request_may_hold_are_taken_at_once(
    store: Store, home: Home, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    run_id = store.create_cell(describe_cell(cells[0]), ids)
    store.log_points(run_id, [Point("k", step, 0.5, step) for step in range(MOST_POINTS)])
    assert _rows(home, "SELECT COUNT(*) FROM metrics") == [(MOST_POINTS,)]
    assert len(store.points_of(run_id)) == MOST_POINTS


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.RUNNING, "RUNNING"),
        (State.FINISHED, "FINISHED"),
        (State.FAILED, "FAILED"),
        (State.INTERRUPTED, "KILLED"),
    ],
)
def test_a_state_is_a_tag_and_mlflows_status(
    state: State,
    status: str,
    store: Store,
    cells: tuple[Cell, ...],
    describe_cell: Describe,
    ids: StudyIds,
) -> None:
    run_id = store.create_cell(describe_cell(cells[0]), ids)
    store.set_state(run_id, state, {vocabulary.REASON: "why"})
    run = store.client.get_run(run_id)
    assert run.info.status == status
    assert (run.info.end_time is None) == (state == State.RUNNING)
    assert run.data.tags[vocabulary.STATE] == state
    assert run.data.tags[vocabulary.REASON] == "why"


def test_recorded_cells_come_back_with_what_they_measured(
    store: Store,
    study: StudySpec,
    cells: tuple[Cell, ...],
    describe_cell: Describe,
    ids: StudyIds,
) -> None:
    finished, running = (store.create_cell(describe_cell(cell), ids) for cell in cells[:2])
    store.log_points(finished, [Point("selected/validation_error", 1, 0.25, 1000)])
    store.set_state(finished, State.FINISHED, {})
    store.open_study(study_record(replace(study, variant=Variant(epoch_scale="0.5"))))
    experiment_id = ids.experiment
    found = {cell.run_id: cell for cell in store.cells(experiment_id, study.variant_id)}
    assert set(found) == {finished, running}
    one, other = found[finished], found[running]
    assert (one.state, one.objective) == (State.FINISHED, 0.25)
    assert one.labels == cells[0].labels
    assert (one.key, one.trial) == (cell_key(study, cells[0]), cells[0].id)
    assert one.name == cells[0].name
    assert (other.state, other.objective) == (State.RUNNING, None)
    assert store.cells(experiment_id, "another variant") == []


def test_trials_that_another_study_finished_are_found(
    store: Store,
    study: StudySpec,
    make_study: Callable[..., StudySpec],
    cells: tuple[Cell, ...],
    describe_cell: Describe,
    ids: StudyIds,
) -> None:
    finished, running, deleted = (
        store.create_cell(describe_cell(cell), ids) for cell in cells[:3]
    )
    for run_id in (finished, deleted):
        store.set_state(run_id, State.FINISHED, {})
    store.client.delete_run(deleted)
    other = make_study(study="other")
    store.open_study(study_record(other))
    trials = [cell.id for cell in expand(other)]
    assert trials == [cell.id for cell in cells]
    found = store.finished_elsewhere(trials, counts=lambda cell: True)
    assert {trial: cell.run_id for trial, cell in found.items()} == {cells[0].id: finished}
    assert store.finished_elsewhere(trials[1:], counts=lambda cell: True) == {}
    assert store.finished_elsewhere([], counts=lambda cell: True) == {}
    assert running


def test_a_cell_that_was_stopped_early_is_no_result_for_another_study(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    run_id = store.create_cell(describe_cell(cells[0]), ids)
    store.set_state(run_id, State.FINISHED, {vocabulary.STOPPED_EARLY: "after 2 epochs"})
    assert store.finished_elsewhere([cells[0].id], counts=lambda cell: True) == {}


def test_deleted_runs_are_gone_and_unknown_ones_too(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    run_id = store.create_cell(describe_cell(cells[0]), ids)
    assert not store.is_gone(run_id)
    store.client.delete_run(run_id)
    assert store.is_gone(run_id)
    assert store.is_gone("0" * 32)
    assert store.find_cell(describe_cell(cells[0]), ids) is None


def test_a_later_value_of_a_study_follows_the_earlier_one(store: Store, study: StudySpec) -> None:
    run_id = store.open_study(study_record(study)).run
    store.log_values(run_id, {"matrix/best": 0.5}, 1000)
    store.log_values(run_id, {"matrix/best": 0.25}, 2000)
    store.log_values(run_id, {"matrix/best": 0.25}, 3000)
    assert store.client.get_run(run_id).data.metrics == {"matrix/best": 0.25}
    assert len(store.points_of(run_id)) == 2


def test_texts_lie_in_the_home(store: Store, home: Home, study: StudySpec) -> None:
    run_id = store.open_study(study_record(study)).run
    store.log_text(run_id, "a text", "plan.json")
    [path] = home.artifacts.rglob("plan.json")
    assert path.read_text() == "a text"
    assert path.is_relative_to(home.artifacts / "tiny" / run_id)


def test_tables_of_a_run_are_listed_once_each_and_replaced(
    store: Store, home: Home, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = store.open_study(study_record(study))
    experiment_id, run_id = ids.experiment, ids.run
    table = pd.DataFrame({"row": ["a", "µ"], "mean": [0.5, math.nan]})
    store.log_table(run_id, table, "one")
    store.log_table(run_id, table, "two")
    store.log_table(run_id, table.iloc[:1], "one")
    listed = json.loads(store.tags_of(run_id)["mlflow.loggedArtifacts"])
    assert listed == [{"path": f"{name}.json", "type": "table"} for name in ("one", "two")]
    files = {path.stem: json.loads(path.read_text()) for path in home.artifacts.rglob("*.json")}
    assert files == {
        "one": {"columns": ["row", "mean"], "data": [["a", 0.5]]},
        "two": {"columns": ["row", "mean"], "data": [["a", 0.5], ["µ", None]]},
    }
    # MLflow's own reader takes them for tables; it looks in the store that the variable names.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.tracking_uri)
    loaded = store.client.load_table(experiment_id, artifact_file="two.json")
    assert loaded["row"].tolist() == ["a", "µ"]


def test_the_variants_of_a_study_come_back_as_they_were_recorded(
    store: Store, study: StudySpec
) -> None:
    records = [study_record(study), study_record(replace(study, variant=Variant(apart="v2")))]
    for record in records:
        experiment = store.open_study(record).experiment
        # MLflow counts time in thousandths of a second.
        time.sleep(0.005)
    found = store.variants(experiment)
    assert [(record.key, record.title) for record in found] == [
        (record.key, record.title) for record in records
    ]
    assert [record.tags[vocabulary.APART] for record in found] == ["", "v2"]
    assert found[0].tags[vocabulary.BASE] == records[0].tags[vocabulary.BASE]
    assert found[0].question == study.question


def test_cells_that_do_not_count_are_no_results_for_another_study(
    store: Store, ids: StudyIds, cells: tuple[Cell, ...], describe_cell: Describe
) -> None:
    for cell, code in zip(cells[:3], ("theirs", "ours", "ours"), strict=True):
        run = store.create_cell(describe_cell(cell, **{vocabulary.CODE: code}), ids)
        store.set_state(run, State.FINISHED, {})
    asked = [cell.id for cell in cells[:2]]
    seen: list[RecordedCell] = []

    def counts(cell: RecordedCell) -> bool:
        seen.append(cell)
        return cell.code == "ours"

    assert set(store.finished_elsewhere(asked, counts=counts)) == {cells[1].id}
    # It is asked of no other trial, and sees what the code is judged by.
    assert sorted(cell.trial for cell in seen) == sorted(asked)
    assert all(cell.trained["model"]["name"] == "mlp" for cell in seen)


def test_a_store_that_answers_is_not_silent(store: Store) -> None:
    assert store.silence() is None


def _raising(store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def search(**options: object) -> None:
        raise MlflowException("the call failed") from error

    monkeypatch.setattr(store.client, "search_experiments", search)


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("Connection refused"),
        requests.Timeout("no answer within 10 s"),
        requests.exceptions.RetryError("too many 500 error responses"),
    ],
)
def test_a_server_that_is_away_may_answer_later(
    error: Exception, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _raising(store, monkeypatch, error)
    assert store.silence() == str(error)
    assert may_answer_later(error)


def test_a_server_of_a_wrong_name_or_without_a_right_to_it_never_answers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = requests.ConnectionError("no such host")
    wrong.__cause__ = socket.gaierror("Name or service not known")
    for error in (wrong, PermissionError("401 Unauthorized")):
        assert not may_answer_later(error)
        _raising(store, monkeypatch, error)
        with pytest.raises(StoreError, match="the call failed"):
            store.silence()


def test_two_that_write_the_same_new_tag_at_once_both_succeed(home: Home, ids: StudyIds) -> None:
    barrier = threading.Barrier(2, timeout=30)

    def write(value: str) -> None:
        store = Store(home)
        for number in range(20):
            barrier.wait()
            store.set_experiment_tag(ids.experiment, f"view-{number}", value)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write, value) for value in ("one", "other")]:
            done.result(60)
    tags = Store(home).client.get_experiment(ids.experiment).tags
    assert {tags[f"view-{number}"] for number in range(20)} <= {"one", "other"}


def test_a_home_made_from_the_template_is_like_the_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tables, experiments = [], []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        store = Store(Home.at(folder / "home"))
        [experiment] = store.client.search_experiments()
        experiments.append((experiment.experiment_id, experiment.name))
        assert experiment.artifact_location == str(folder / "mlruns" / "0")
        with closing(sqlite3.connect(folder / "home" / "mlflow.db")) as database:
            tables.append(database.execute("SELECT sql FROM sqlite_master").fetchall())
            tables.append(database.execute("SELECT * FROM alembic_version").fetchall())
    assert tables[:2] == tables[2:]
    assert experiments[0] == experiments[1]


LONG = "a description of a rate " * 800


def test_tags_of_any_length_come_back(store: Store, study: StudySpec) -> None:
    record = replace(study_record(study), title=LONG)
    record = replace(record, tags={**record.tags, vocabulary.OVERRIDES: json.dumps([LONG])})
    ids = store.open_study(record)
    for text in (LONG, LONG[:9000] + "ü" * 9000, "short"):
        store.set_tags(ids.run, {vocabulary.GIVEN: text})
        tags = store.tags_of(ids.run)
        assert tags[vocabulary.GIVEN] == text
        assert tags[vocabulary.OVERRIDES] == json.dumps([LONG])
        [variant] = store.variants(ids.experiment)
        assert variant.tags[vocabulary.GIVEN] == text
    # MLflow cuts what is longer without an error.
    raw = store.client.get_run(ids.run).data.tags
    assert max(map(len, raw.values())) < 5000


def test_many_long_tags_are_sent_in_requests_that_a_server_takes(
    store: Store, ids: StudyIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    log_batch = store.client.log_batch

    def measured(run_id: str, **parts: Any) -> None:
        sizes.append(len(json.dumps([tag.value for tag in parts["tags"]])))
        log_batch(run_id, **parts)

    monkeypatch.setattr(store.client, "log_batch", measured)
    text = "\u00fc" * 400_000
    store.set_tags(ids.run, {vocabulary.ROWS: text})
    assert max(sizes) < 1_000_000
    assert store.tags_of(ids.run)[vocabulary.ROWS] == text


def test_a_cell_of_long_labels_is_recorded_once_and_whole(
    make_study: Callable[..., StudySpec], store: Store
) -> None:
    values = {"r" * 4999 + end: rate for end, rate in (("a", 0.1), ("b", 0.2))}
    axes = [
        {"name": "rate", "sets": "optimizer.lr", "values": values},
        {"name": "seed", "sets": "seed", "values": {"s" * 5000: 1}},
    ]
    study = make_study(axes=axes, matrix={"rows": "rate"})
    ids = store.open_study(study_record(study))
    for cell in expand(study):
        for _ in range(2):
            found = store.find_cell(describe(cell, study, tags={}), ids)
            run = found or store.create_cell(describe(cell, study, tags={}), ids)
        assert found == run
    cells = store.cells(ids.experiment, study.variant_id)
    assert [cell.labels for cell in cells] == [cell.labels for cell in expand(study)]
    assert [cell.key for cell in cells] == [cell_key(study, cell) for cell in expand(study)]
    assert all(cell.is_placed for cell in cells)
    params = {cell.params["axis/rate"] for cell in cells}
    assert len(params) == 2


def test_a_study_whose_experiment_was_renamed_goes_on_in_it(
    store: Store, home: Home, study: StudySpec
) -> None:
    ids = store.open_study(study_record(study))
    store.client.rename_experiment(ids.experiment, "a name of mine")
    assert Store(home).open_study(study_record(study)) == ids
    assert _rows(home, "SELECT COUNT(*) FROM experiments") == [(2,)]
    store.client.delete_experiment(ids.experiment)
    with pytest.raises(StoreError, match="'a name of mine' was deleted in MLflow"):
        store.open_study(study_record(study))


def test_an_experiment_that_lost_its_tag_gets_it_again(store: Store, study: StudySpec) -> None:
    ids = store.open_study(study_record(study))
    for change in (
        lambda: store.client.delete_experiment_tag(ids.experiment, vocabulary.STUDY),
        lambda: store.client.set_experiment_tag(ids.experiment, vocabulary.STUDY, "mine"),
    ):
        change()
        assert store.open_study(study_record(study)) == ids
        assert store.client.get_experiment(ids.experiment).tags[vocabulary.STUDY] == "tiny"
    assert store.reader.studies() == [ids.experiment]


@pytest.mark.parametrize("has_run", [True, False])
def test_an_experiment_of_somebody_else_is_neither_used_nor_changed(
    has_run: bool, store: Store, home: Home, study: StudySpec
) -> None:
    experiment = store.client.create_experiment("tiny")
    if has_run:
        store.client.create_run(experiment, tags={"mine": "yes"})
    before = dict(store.client.get_experiment(experiment).tags)
    for look in (lambda: store.open_study(study_record(study)), lambda: store.find_study("tiny")):
        with pytest.raises(StoreError, match=r"not of this study .* rename it there"):
            look()
    assert store.client.get_experiment(experiment).tags == before
    assert _rows(home, "SELECT COUNT(*) FROM runs") == [(int(has_run),)]
    # To use it is up to whoever made it.
    store.client.set_experiment_tag(experiment, vocabulary.STUDY, "tiny")
    assert store.open_study(study_record(study)).experiment == experiment


def test_a_run_of_a_study_whose_tags_somebody_removed_is_made_anew(
    store: Store, study: StudySpec
) -> None:
    ids = store.open_study(study_record(study))
    for key in (vocabulary.STUDY, vocabulary.VARIANT, vocabulary.KIND):
        store.client.delete_tag(store.open_study(study_record(study)).run, key)
        assert store.variants(ids.experiment) == []
        anew = store.open_study(study_record(study))
        [record] = store.variants(ids.experiment)
        assert record.variant == study.variant_id
        assert anew.experiment == ids.experiment


def test_a_run_that_is_restored_after_it_was_replaced_counts_once(
    store: Store, study: StudySpec, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    description, runs = describe_cell(cells[0]), []
    for _ in range(2):
        runs.append(store.create_cell(description, ids))
        store.set_state(runs[-1], State.FINISHED, {})
        store.client.delete_run(runs[-1])
        time.sleep(0.002)
    assert store.cells(ids.experiment, study.variant_id) == []
    # MLflow restores all runs of an experiment with it, also those that were deleted before.
    store.client.delete_experiment(ids.experiment)
    store.client.restore_experiment(ids.experiment)
    assert not any(store.is_gone(run) for run in runs)
    [cell] = store.cells(ids.experiment, study.variant_id)
    assert cell.run_id == runs[0]
    assert [store.is_gone(run) for run in runs] == [False, True]
    found = store.finished_elsewhere([cells[0].id], counts=lambda cell: True)
    assert found[cells[0].id].run_id == runs[0]


def test_of_twins_one_that_is_finished_stays(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    description = describe_cell(cells[0])
    first = store.create_cell(description, ids)
    time.sleep(0.002)
    tags = {**description.tags, vocabulary.STATE: State.FINISHED.value}
    finished = store.client.create_run(ids.experiment, tags=tags).info.run_id
    assert store.find_cell(description, ids) == finished
    assert store.is_gone(first)


def test_a_run_is_looked_at_as_it_is(
    store: Store, cells: tuple[Cell, ...], describe_cell: Describe, ids: StudyIds
) -> None:
    run = store.create_cell(describe_cell(cells[0]), ids)
    store.log_points(run, [Point("a", step, step / 2, 1000 + step) for step in range(3)])
    assert store.look_at(run) == Look(last=(Point("a", 2, 1.0, 1002),), is_complete=False)
    store.set_state(run, State.FINISHED, {vocabulary.WEIGHTS_SHA256: "abc"})
    look = store.look_at(run)
    assert look is not None
    assert look.is_complete
    assert store.experiment_of(run) == ids.experiment
    store.client.delete_run(run)
    assert store.look_at(run) is None
    assert not store.is_unknown(run)
    assert store.is_unknown("0" * 32)
    assert store.experiment_of("0" * 32) is None


def test_the_tables_of_an_oddly_named_home_are_made_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a template MLflow makes them, step by step.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = Home.at(tmp_path / "100%25 sure?" / "a%20b")
    store = Store(home)
    assert [path.name for path in home.root.parent.iterdir()] == ["a%20b"]
    assert {path.name for path in tmp_path.iterdir()} == {"100%25 sure?", "cache"}
    assert {path.name for path in home.root.iterdir()} <= {
        "mlflow.db",
        "mlflow.db-wal",
        "mlflow.db-shm",
    }
    store.client.create_experiment("x")
    assert _rows(home, "SELECT name FROM experiments ORDER BY name") == [("Default",), ("x",)]
