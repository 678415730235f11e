"""What a sweep refuses and looks at before it starts Ray; its training is in journeys."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
import yaml

import orchestrator.launch
from orchestrator import launch, vocabulary
from orchestrator.execution import leases
from orchestrator.execution.leases import Leases
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.lost_cluster import end_without_ray
from orchestrator.execution.options import SweepOptions, resources_of
from orchestrator.execution.outcome import SweepWatcher, Unwatched
from orchestrator.execution.sweep import _Sweep, sweep
from orchestrator.home import Home
from orchestrator.launch import ResourceError, Resources, Slots
from orchestrator.launch.jobs import Jobs
from orchestrator.planning.checksums import Part, part_of
from orchestrator.planning.sharing import Beginnings
from orchestrator.record import delivery, store_lock
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.describe import describe
from orchestrator.record.entries import StudyRecord
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store, StudyIds
from orchestrator.study.catalog import StudyError, load_study
from orchestrator.study.cells import Cell
from orchestrator.study.product import multiplied
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State
from trainers.errors import MissingDataError


class Nobody:
    """A watcher that must not be told anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"told of {name}")


NOBODY = cast(SweepWatcher, Nobody())


def test_missing_data_is_said_before_anything_is_written(
    study: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object) -> str:
        raise MissingDataError("it is not there")

    monkeypatch.setattr("orchestrator.execution.sweep.data_checksums", missing)
    home = Home.at(tmp_path / "home")
    with pytest.raises(MissingDataError, match="it is not there"):
        sweep(study, home, SweepOptions(data_dir=tmp_path), NOBODY)
    assert not home.root.exists()


def test_more_than_the_machine_has_is_said_before_anything_is_written(
    study: StudySpec, tmp_path: Path
) -> None:
    home = Home.at(tmp_path / "home")
    options = SweepOptions(data_dir=tmp_path, resources=Resources(cpus=10_000))
    with pytest.raises(ResourceError, match="lower --cpus-per-trial"):
        sweep(study, home, options, NOBODY)
    assert not home.root.exists()


def test_where_ray_cannot_start_that_is_said_before_anything_is_written(
    study: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path / "home")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "my env"))
    with pytest.raises(ResourceError, match="its path has a blank"):
        sweep(study, home, SweepOptions(data_dir=tmp_path), NOBODY)
    assert not home.root.exists()


def test_a_search_for_which_another_sweep_draws_is_left_alone(
    make_search: Callable[..., StudySpec], home: Home
) -> None:
    search = make_search()
    with closing(Leases(home.journal)) as others:
        assert others.claim(f"search {search.key}")
        with pytest.raises(InUseError, match=r"is running the search 'tiny-search'; wait"):
            sweep(search, home, SweepOptions(data_dir=home.data_folder()), NOBODY)


THEIRS = "results-1 engine/fit.py=0123456789abcdef"


class RayStartsError(Exception):
    """Training would begin now."""


def _d1ce(study: StudySpec, folder: Path) -> dict[Part, str]:
    return {part_of(cell.train): "d1ce" for cell in study.trials}


@pytest.fixture
def begin(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sweeps a study, with these options, up to where Ray starts."""

    def starts(**_: object) -> NoReturn:
        raise RayStartsError

    monkeypatch.setattr(launch, "ray_session", starts)

    def to_the_start(study: StudySpec, **options: Any) -> None:
        sweep(study, home, SweepOptions(data_dir=home.data_folder(), **options), Unwatched())

    return to_the_start


def _train(journal: Journal, study: StudySpec, *cells: Cell, code: str) -> None:
    """Journals cells as finished."""
    journal.begin_study(study_record(study))
    for cell in cells:
        description = describe(cell, study, tags={vocabulary.CODE: code})
        journal.begin(description)
        journal.end(description.cell, State.FINISHED, {})


def _accepted(journal: Journal, study: StudySpec) -> object:
    record = journal.study(study.key)
    assert record is not None
    return json.loads(record.tags.get(vocabulary.ACCEPTED_CODE, "null"))


def test_other_code_is_refused_unless_its_results_are_accepted(
    study: StudySpec, cells: tuple[Cell, ...], journal: Journal, begin: Callable[..., None]
) -> None:
    _train(journal, study, cells[0], code=THEIRS)
    with pytest.raises(
        StudyError, match=r"1 cells .* other code .*: trainers/engine/fit\.py changed"
    ):
        begin(study)
    assert _accepted(journal, study) is None
    with pytest.raises(RayStartsError):
        begin(study, accept_code=True)
    assert _accepted(journal, study) == [THEIRS]
    record = journal.study(study.key)
    assert record is not None
    # What is trained says so itself, and is of this code.
    assert record.tags[vocabulary.CODE].startswith("results-")
    made_with = json.loads(record.texts[vocabulary.ENVIRONMENT_ARTIFACT])
    assert "engine/fit.py" in made_with["sources"]


def test_accepted_results_are_copied_and_the_study_says_so(
    study: StudySpec, cells: tuple[Cell, ...], journal: Journal, begin: Callable[..., None]
) -> None:
    other = replace(study, name="other")
    _train(journal, other, *cells, code=THEIRS)
    with pytest.raises(RayStartsError):
        begin(study)
    begin(study, accept_code=True)
    assert _accepted(journal, study) == [THEIRS]
    for cell in cells:
        entry = journal.entry(cell_key(study, cell))
        assert entry is not None
        assert entry.tags[vocabulary.CODE] == THEIRS
        assert entry.description.tags[vocabulary.ACCEPTED_CODE] == json.dumps([THEIRS])


def test_results_of_the_same_code_need_no_flag_and_get_no_tag(
    study: StudySpec, cells: tuple[Cell, ...], journal: Journal, begin: Callable[..., None]
) -> None:
    _train(journal, study, cells[0], code="")
    for options in ({}, {"accept_code": True}):
        with pytest.raises(RayStartsError):
            begin(study, **options)
        assert _accepted(journal, study) is None


def test_a_sweep_expands_its_study_once(
    make_mapping: Callable[..., Any],
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    def counted(*arguments: Any, **options: Any) -> tuple[Cell, ...]:
        made.append(arguments)
        return multiplied(*arguments, **options)

    monkeypatch.setattr("orchestrator.study.spec.multiplied", counted)
    # Everything but the training itself, for which Ray would be imported.
    names = vars(orchestrator.launch)
    monkeypatch.setitem(names, "ray_session", lambda **options: nullcontext())
    monkeypatch.setitem(names, "launch", lambda *arguments, **options: False)
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(make_mapping()))
    options = SweepOptions(data_dir=home.data_folder())
    outcome = sweep(load_study(file), home, options, Unwatched())
    assert outcome.plan.num_todo == 8
    assert outcome.interrupted
    assert len(made) == 1


@pytest.mark.slow
def test_neither_a_slow_server_nor_a_busy_driver_loses_what_a_sweep_holds(
    study: StudySpec, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, names in ((leases, ("LEASE_S", "RENEW_S")), (store_lock, ("HOLD_S", "RENEW_S"))):
        for name, seconds in zip(names, (3.0, 0.1), strict=True):
            monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr(delivery, "INTERVAL_S", 0.01)
    asked, answered = threading.Event(), threading.Event()
    open_study = Store.open_study

    def open_slowly(store: Store, record: StudyRecord) -> StudyIds:
        if threading.current_thread().name == "delivery":
            asked.set()
            assert answered.wait(60)
        return open_study(store, record)

    # The store of another home, so that the study is marked there, too.
    ours = Home.at(tmp_path / "ours", home.tracking_uri)
    held: list[bool] = []

    def train(work: Jobs, *, cells: Beginnings, **options: object) -> bool:
        start = cells.next()
        assert start is not None
        assert asked.wait(60)
        time.sleep(4)
        with closing(Leases(ours.journal)) as others:
            held.append(not others.claim(work.cells[start.key].id))
        [tags] = Store(home).parents().values()
        held.append([mark.until > time.time() for mark in store_lock.marks(tags)] == [True])
        answered.set()
        return False

    monkeypatch.setattr(Store, "open_study", open_slowly)
    monkeypatch.setitem(vars(orchestrator.launch), "ray_session", lambda **options: nullcontext())
    monkeypatch.setitem(vars(orchestrator.launch), "launch", train)
    sweep(study, ours, SweepOptions(data_dir=ours.data_folder()), Unwatched())
    assert held == [True, True]
    # Nothing of it is left, and nobody renews it any more.
    [tags] = Store(home).parents().values()
    assert store_lock.marks(tags) == []
    assert not [one for one in threading.enumerate() if one.name.startswith("heartbeat")]


def test_cells_say_with_which_data_and_code_they_are_trained(
    study: StudySpec, cells: tuple[Cell, ...], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, str]] = []

    def launched(*arguments: object, listener: SweepListener, **options: object) -> bool:
        said.append(dict(listener.describe(cells[0]).tags))
        return False

    monkeypatch.setattr("orchestrator.execution.sweep.git_commit", lambda: "abc-dirty")
    monkeypatch.setattr("orchestrator.execution.sweep.data_checksums", _d1ce)
    names = vars(orchestrator.launch)
    monkeypatch.setitem(names, "ray_session", lambda **options: nullcontext())
    monkeypatch.setitem(names, "launch", launched)
    sweep(study, home, SweepOptions(data_dir=home.data_folder()), Unwatched())
    [tags] = said
    assert tags[vocabulary.GIT_COMMIT] == "abc-dirty"
    assert tags[vocabulary.DATA_SHA256] == "d1ce"
    assert tags[vocabulary.CODE].startswith("results-")


@pytest.mark.parametrize(
    ("gpus", "slots", "told"),
    [(0.25, 4, "probed: it is small"), (0, 2, "there is no GPU, so trials train on CPUs")],
)
def test_memory_is_measured_when_ray_is_there_and_said_after_the_plan(
    gpus: float,
    slots: int,
    told: str,
    study: StudySpec,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[object] = []

    class Watcher(Unwatched):
        def planned(self, plan: Any, *, slots: int, **more: Any) -> None:  # type: ignore[override]
            events.append(slots)

        def cell_noted(self, name: str, *, note: str) -> None:  # type: ignore[override]
            events.append(note)

    @contextmanager
    def session(*, num_workers: int, **options: object) -> Iterator[None]:
        events.append(f"Ray with {num_workers} workers")
        yield

    def probed(jobs: object, resources: Resources, nodes: object) -> tuple[Resources, str]:
        return replace(resources, gpus=gpus), told

    def launched(work: Jobs, *, slots: Slots, **options: object) -> bool:
        events.append((slots.num, slots.resources.gpus, work.template.device))
        return False

    names = vars(orchestrator.launch)
    monkeypatch.setitem(names, "this_machine", lambda: [{"CPU": 2, "GPU": 1}])
    monkeypatch.setitem(names, "ray_session", session)
    monkeypatch.setitem(names, "probed", probed)
    monkeypatch.setitem(names, "launch", launched)
    resources = resources_of(0.5 if gpus else 1, "auto", None, ray_address=None)
    options = SweepOptions(data_dir=home.data_folder(), resources=resources)
    sweep(study, home, options, Watcher())
    workers = f"Ray with {4 if gpus else 2} workers"
    device = "cuda" if gpus else "cpu"
    assert events == [workers, slots, told, (slots, gpus, device)]


def _own_run(store: Store, study: StudySpec) -> Any:
    """The study's own run in MLflow."""
    experiment = store.find_study(study.name)
    assert experiment is not None
    [run] = store.reader.runs([experiment], {vocabulary.KIND: vocabulary.PARENT})
    return run


def _said(run: Any) -> tuple[str, str]:
    return run.info.status, run.data.tags.get(vocabulary.STATE, "")


CLOSED = ("FINISHED", "finished")


@pytest.mark.slow
def test_a_study_of_which_all_is_copied_is_finished(
    study: StudySpec,
    cells: tuple[Cell, ...],
    journal: Journal,
    store: Store,
    begin: Callable[..., None],
) -> None:
    _train(journal, replace(study, name="other"), *cells, code="")
    begin(study)
    run = _own_run(store, study)
    assert _said(run) == CLOSED
    # Another sweep leaves the end as it is.
    begin(study)
    again = _own_run(store, study)
    assert (_said(again), again.info.end_time) == (CLOSED, run.info.end_time)


@pytest.mark.slow
@pytest.mark.parametrize("state", [State.RUNNING, State.INTERRUPTED])
def test_a_study_that_was_stopped_after_its_last_cell_is_finished_by_the_next_sweep(
    state: State,
    study: StudySpec,
    cells: tuple[Cell, ...],
    journal: Journal,
    store: Store,
    begin: Callable[..., None],
) -> None:
    _train(journal, study, *cells, code="")
    journal.begin_study(study_record(study, state=state))
    delivery.Delivery(journal, store).deliver()
    assert _said(_own_run(store, study)) != CLOSED
    begin(study)
    assert _said(_own_run(store, study)) == CLOSED


@pytest.mark.slow
def test_a_study_whose_own_run_was_deleted_gets_a_finished_one(
    study: StudySpec,
    cells: tuple[Cell, ...],
    journal: Journal,
    store: Store,
    begin: Callable[..., None],
) -> None:
    _train(journal, study, *cells, code="")
    begin(study)
    before = _own_run(store, study)
    store.client.delete_run(before.info.run_id)
    begin(study)
    after = _own_run(store, study)
    assert after.info.run_id != before.info.run_id
    assert _said(after) == CLOSED


@pytest.mark.slow
def test_with_no_failed_cell_to_retry_an_unfinished_study_stays_open(
    study: StudySpec,
    cells: tuple[Cell, ...],
    journal: Journal,
    store: Store,
    begin: Callable[..., None],
) -> None:
    _train(journal, study, *cells[1:], code="")
    begin(study, only_failed=True)
    assert _said(_own_run(store, study)) == ("RUNNING", "")


class _Ends:
    """A sweep whose cluster is lost: notes what it does, in order, instead of ending the tests."""

    def __init__(self, study: StudySpec, *, journal_fails: bool = False) -> None:
        self.done: list[object] = []
        self.journal_fails = journal_fails
        self.sweep = object.__new__(_Sweep)
        self.sweep.record = study_record(study)
        self.sweep.overview = None
        self.sweep.home = cast(Home, SimpleNamespace(database=None))
        for name in ("watcher", "journal", "delivery"):
            setattr(self.sweep, name, self)
        self.has_delivered = True

    @property
    def parts(self) -> tuple[SweepListener, SweepWatcher, Callable[[float], None]]:
        close = partial(self.sweep._close, State.INTERRUPTED)
        return cast(SweepListener, self), cast(SweepWatcher, self), close

    def interrupt(self) -> None:
        self.done.append("interrupted")

    def stopped(self) -> None:
        self.done.append("no display")

    def begin_study(self, record: StudyRecord) -> None:
        if self.journal_fails:
            raise OSError("the disk is gone")
        self.done.append(record.state)

    def close(self, *, within_s: float, at_most_s: float | None = None) -> bool:
        # An interrupted sweep follows nothing: it ends within its time.
        assert at_most_s is None
        self.done.append(within_s)
        return False

    def lost(self, reason: str) -> None:
        self.done.append(reason)


def test_without_its_cluster_a_sweep_records_its_end_says_why_and_ends_the_process(
    study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = _Ends(study)
    monkeypatch.setattr(os, "_exit", lambda code: ends.done.append(f"exit {code}"))
    end_without_ray(*ends.parts, "the head was restarted")
    # Ray ends the process soon after, so delivery has a few seconds.
    expected = ["interrupted", "no display", State.INTERRUPTED, 8.0, "the head was restarted"]
    assert ends.done == [*expected, "exit 1"]


def test_it_says_why_and_ends_also_if_nothing_can_be_recorded(
    study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = _Ends(study, journal_fails=True)
    monkeypatch.setattr(os, "_exit", lambda code: ends.done.append(f"exit {code}"))
    with pytest.raises(OSError, match="the disk is gone"):
        end_without_ray(*ends.parts, "the head was restarted")
    assert ends.done[-2:] == ["the head was restarted", "exit 1"]
