"""What the driver does with each event: journal, count, tell."""

import math
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator import vocabulary
from orchestrator.execution.leases import Leases
from orchestrator.execution.listener import SweepListener, file_name
from orchestrator.execution.progress import Progress
from orchestrator.free_space import DiskFullError
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.metrics import Series
from orchestrator.launch.report import EpochReport
from orchestrator.launch.worker import Job
from orchestrator.mlflow_reader.overview import CellNow
from orchestrator.planning.stem_store import StemStore
from orchestrator.record.board import board_of
from orchestrator.record.delivery import Delivery
from orchestrator.record.describe import describe
from orchestrator.record.entries import CellDescription, Entry
from orchestrator.record.journal import Journal
from orchestrator.study.cells import Cell
from orchestrator.study.checkpointing import Checkpointing, upload_order
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State
from trainers.engine.checkpoint import CheckpointPolicy


@dataclass
class FakeWatcher:
    """Remembers what it was told."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def tick(self, *, waiting: str | None) -> None:
        self.told.append(("tick", waiting))

    def cell_ended(
        self, name: str, *, objective: float, reason: str | None, log: Path | None = None
    ) -> None:
        self.told.append(("ended", name, objective, reason))

    def cell_retried(self, name: str, *, reason: str) -> None:
        self.told.append(("retried", name, reason))

    def stopping(self) -> None:
        self.told.append(("stopping",))

    def cell_noted(self, name: str, *, note: str) -> None:
        self.told.append(("noted", name, note))


@pytest.fixture
def watcher() -> FakeWatcher:
    return FakeWatcher()


@pytest.fixture
def listener(
    study: StudySpec,
    cells: tuple[Cell, ...],
    journal: Journal,
    leases: Leases,
    watcher: FakeWatcher,
    tmp_path: Path,
) -> SweepListener:
    def of(cell: Cell) -> CellDescription:
        return describe(cell, study, tags={"bnn.x": "y"})

    template = Job(
        train={},
        data_dir=tmp_path,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(),
        device="cpu",
        num_threads=1,
    )
    by_key = {cell_key(study, cell): cell for cell in cells}
    return SweepListener(
        work=Jobs(
            study=study, cells=by_key, template=template, stems=StemStore(tmp_path / "stems")
        ),
        journal=journal,
        leases=leases,
        delivery=cast(Delivery, SimpleNamespace(last_error="no answer")),
        progress=Progress(num_cells=len(cells), epochs=2 * len(cells)),
        board=board_of(study, [], holder_of=lambda trial: None),
        watcher=watcher,
        describe=of,
        logs=tmp_path / "logs",
    )


@pytest.fixture
def key(listener: SweepListener) -> str:
    """Of a cell that has started: forward, seed 1."""
    key = next(key for key in listener.work.cells if "order=forward,seed=1" in key)
    listener.started({"cell": key})
    return key


@pytest.fixture
def entry(journal: Journal, key: str) -> Callable[[], Entry]:
    def read() -> Entry:
        found = journal.entry(key)
        assert found is not None
        return found

    return read


def _report(epoch: int, *, time_ms: int = 1000, error: float = 0.5, **more: Any) -> EpochReport:
    """Of one new epoch."""
    return EpochReport(
        epoch=epoch + 1,
        points=(Series(epoch, time_ms, {"test/error": error, "epoch_s": 0.25}),),
        summary=Series(epoch, time_ms, {"selected/test_error": error}),
        objective=error,
        **more,
    )


def test_a_cell_that_starts_is_journaled_and_counted(
    listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    assert entry().state == State.RUNNING
    assert entry().description.cell == key
    assert entry().description.tags["bnn.x"] == "y"
    assert listener.progress.running[key].name == "forward · seed 1"
    assert listener.progress.running[key].epochs == 2


def test_what_a_cell_reports_is_journaled_and_counted(
    listener: SweepListener, journal: Journal, key: str
) -> None:
    listener.reported(key, _report(0))
    listener.reported(key, _report(1, error=0.25))
    found = [(point.key, point.step, point.value) for point in journal.points(key)]
    assert found == [
        ("epoch_s", 0, 0.25),
        ("test/error", 0, 0.5),
        ("epoch_s", 1, 0.25),
        ("test/error", 1, 0.25),
    ]
    assert listener.progress.running[key].done == 2
    assert listener.progress.running[key].objective == 0.25
    assert listener.train_s == 0.5
    assert listener.journal_s > 0


def test_the_summary_is_journaled_only_at_the_end(
    listener: SweepListener, journal: Journal, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0, error=0.5))
    listener.reported(key, _report(1, error=0.25, weights_sha256="abc"))
    assert "selected/test_error" not in {point.key for point in journal.points(key)}
    listener.ended(key)
    summary = [point for point in journal.points(key) if point.key == "selected/test_error"]
    assert [(point.step, point.value) for point in summary] == [(1, 0.25)]
    assert entry().state == State.FINISHED
    assert entry().tags == {vocabulary.WEIGHTS_SHA256: "abc"}


def test_the_end_of_a_cell_is_counted_told_and_logged(
    listener: SweepListener, watcher: FakeWatcher, key: str
) -> None:
    listener.reported(key, _report(0, error=0.25, weights_sha256="abc"))
    listener.ended(key)
    assert listener.progress.num_finished == 1
    assert watcher.told == [("ended", "forward · seed 1", 0.25, None)]
    [log] = listener.logs.iterdir()
    assert "finished after 1 epochs" in log.read_text()
    assert listener.failures == []


def test_a_cell_that_the_scheduler_stopped_is_finished_and_says_so(
    listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0))
    listener.ended(key)
    assert entry().state == State.FINISHED
    assert entry().tags == {vocabulary.STOPPED_EARLY: "after 1 epochs"}


def test_epochs_of_other_cells_are_journaled_and_marked_but_not_counted(
    listener: SweepListener, journal: Journal, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0, inherited={"reverse · seed 1": 1}))
    assert (listener.train_s, listener.progress.epochs_done) == (0, 0)
    more: dict[str, Any] = {"inherited": {"reverse · seed 1": 1}, "weights_sha256": "abc"}
    listener.reported(key, _report(1, **more))
    assert (listener.train_s, listener.progress.epochs_done) == (0.25, 1)
    listener.ended(key)
    steps = [point.step for point in journal.points(key) if point.key == "test/error"]
    assert steps == [0, 1]
    [mark] = [point for point in journal.points(key) if point.key == vocabulary.INHERITED_EPOCHS]
    assert (mark.step, mark.value) == (1, 1)
    assert entry().tags[vocabulary.INHERITED] == "1 epochs from reverse · seed 1"
    [log] = listener.logs.iterdir()
    assert "1 epochs from reverse · seed 1" in log.read_text()


def test_a_finished_cell_says_from_which_epoch_of_a_stage_it_began(
    listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(1, began_from=("stage 1: a", "stage 2: b"), weights_sha256="a"))
    listener.ended(key)
    assert entry().tags[vocabulary.BEGAN_FROM] == "stage 1: a; stage 2: b"


def test_a_beginning_that_was_not_found_is_logged(listener: SweepListener, key: str) -> None:
    listener.started({"cell": key, "begins": 1, "leaves": []})
    for epoch in (0, 1):
        listener.reported(key, _report(epoch, weights_sha256="abc"))
    listener.ended(key)
    [log] = listener.logs.iterdir()
    assert "all trained by itself; it did not start from the shared" in log.read_text()


@pytest.mark.parametrize("end", ["failed", "interrupted"])
def test_a_cell_that_does_not_end_well_says_whose_epochs_it_began_with(
    end: str, listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0, inherited={"reverse · seed 1": 1}))
    if end == "failed":
        listener.failed(key, reason="no memory", details="", final=True)
    else:
        listener.interrupt()
    assert entry().state == end
    assert entry().tags[vocabulary.INHERITED] == "1 epochs from reverse · seed 1"


def test_a_failure_that_is_tried_again_is_told_and_logged_only(
    listener: SweepListener, watcher: FakeWatcher, key: str, entry: Callable[[], Entry]
) -> None:
    listener.failed(key, reason="no memory", details="a long story", final=False)
    assert entry().state == State.RUNNING
    assert watcher.told == [("retried", "forward · seed 1", "no memory")]
    assert listener.progress.num_retries == 1
    assert listener.progress.num_failed == 0
    assert key in listener.progress.running
    [log] = listener.logs.iterdir()
    assert "a long story" in log.read_text()
    assert listener.failures == []


def test_what_is_trained_again_changes_nothing(
    listener: SweepListener, journal: Journal, key: str
) -> None:
    listener.reported(key, _report(0, time_ms=1000, error=0.5))
    listener.failed(key, reason="no memory", details="", final=False)
    listener.started({"cell": key})
    listener.reported(key, _report(0, time_ms=2000, error=0.5))
    assert {point.time_ms for point in journal.points(key)} == {1000}
    assert len(journal.points(key)) == 2


def test_a_failure_for_good_is_journaled_with_its_reason(
    listener: SweepListener, watcher: FakeWatcher, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0))
    listener.failed(key, reason="no memory", details="a long story", final=True)
    assert entry().state == State.FAILED
    assert entry().tags == {
        vocabulary.REASON: "no memory",
        vocabulary.FAILURE_ARTIFACT: "a long story",
    }
    [(kind, name, objective, reason)] = watcher.told
    assert (kind, name, reason) == ("ended", "forward · seed 1", "no memory")
    assert math.isnan(objective)
    [failure] = listener.failures
    assert (failure.name, failure.reason) == ("forward · seed 1", "no memory")
    assert "a long story" in failure.log.read_text()
    assert listener.progress.num_failed == 1


def test_a_failure_without_details_is_told_by_its_reason(
    listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    listener.failed(key, reason="no memory", details="", final=True)
    assert entry().tags[vocabulary.FAILURE_ARTIFACT] == "no memory"


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (4, "room for 4 trials at once now, 2 before"),
        (1, "room for 1 trial at once now, 2 before"),
    ],
)
def test_another_number_of_slots_is_shown(
    now: int, told: str, listener: SweepListener, watcher: FakeWatcher
) -> None:
    listener.resized(before=2, now=now)
    assert watcher.told == [("noted", "tiny", told)]


def test_a_cell_that_gives_its_place_back_stays_open_and_ours(
    listener: SweepListener, watcher: FakeWatcher, key: str, entry: Callable[[], Entry]
) -> None:
    cell = listener.work.cells[key]
    assert listener.leases.claim(cell.id)
    listener.reported(key, _report(0))
    listener.draining(share=0.25, then=0.5)
    listener.gave_back(key, reason="no memory")
    told = "out of memory with 0.25 of a GPU for a trial; no other begins until those that run "
    assert watcher.told == [("noted", "tiny", f"{told}have ended, then each gets 0.5")]
    assert entry().state == State.INTERRUPTED
    assert key in listener.open_of(listener.work.cells)
    assert listener.leases.is_ours(cell.id)
    assert listener.failures == []
    progress = listener.progress
    assert (progress.num_retries, progress.num_failed, progress.running) == (0, 0, {})
    [log] = listener.logs.iterdir()
    assert "gave its place back, to be trained later: no memory" in log.read_text()
    shown = {cell.state for _, cell in listener.board.changed(-1)}
    assert State.INTERRUPTED in shown
    assert State.RUNNING not in shown


def test_a_cell_that_gave_its_place_back_has_each_step_once(
    listener: SweepListener, journal: Journal, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0, time_ms=1000))
    listener.gave_back(key, reason="no memory")
    listener.started({"cell": key})
    assert entry().state == State.RUNNING
    for epoch in (0, 1):
        listener.reported(key, _report(epoch, time_ms=2000, weights_sha256="abc"))
    listener.ended(key)
    assert entry().state == State.FINISHED
    steps = [point.step for point in journal.points(key) if point.key == "test/error"]
    assert steps == [0, 1]
    assert listener.progress.num_finished == 1


def test_cells_that_still_run_are_interrupted(
    listener: SweepListener, journal: Journal, key: str
) -> None:
    other = next(other for other in listener.work.cells if other != key)
    listener.started({"cell": other})
    listener.reported(other, _report(0, weights_sha256="abc"))
    listener.ended(other)
    listener.interrupt()
    states = {entry.description.cell: entry.state for entry in journal.undelivered()}
    assert states == {key: State.INTERRUPTED, other: State.FINISHED}


def test_each_tick_says_why_results_wait(listener: SweepListener, watcher: FakeWatcher) -> None:
    listener.tick()
    assert watcher.told == [("tick", "no answer")]


def test_each_cell_has_a_log_of_its_own(listener: SweepListener, key: str) -> None:
    other = next(other for other in listener.work.cells if other != key)
    listener.started({"cell": other})
    for name in (key, other):
        listener.failed(name, reason="no memory", details="", final=True)
    logs = {failure.log for failure in listener.failures}
    assert len(logs) == 2
    ids = {listener.work.cells[name].id for name in (key, other)}
    assert {log.stem.rpartition("-")[2] for log in logs} == ids
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", log.name) for log in logs)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("reverse · seed 316", "reverse-seed-316"),
        ("../../etc/passwd", "etc-passwd"),
        ("lr 1e-05", "lr-1e-05"),
        ("···", "cell"),
        ("x" * 5000, "x" * 100),
        ("", "cell"),
    ],
)
def test_names_of_files_hold_nothing_to_stumble_over(name: str, file: str) -> None:
    assert file_name(name) == file


def test_what_a_cell_notes_is_told_once_logged_and_a_tag_at_its_end(
    listener: SweepListener, watcher: FakeWatcher, key: str, entry: Callable[[], Entry]
) -> None:
    listener.reported(key, _report(0, notes=("no room",)))
    listener.failed(key, reason="no memory", details="", final=False)
    listener.started({"cell": key})
    listener.reported(key, _report(0, notes=("no room", "a file is damaged")))
    listener.reported(key, _report(1, weights_sha256="abc", notes=("a file is damaged",)))
    noted = [told[1:] for told in watcher.told if told[0] == "noted"]
    name = "forward · seed 1"
    assert noted == [(name, "no room"), (name, "a file is damaged")]
    listener.ended(key)
    assert entry().tags[vocabulary.NOTE] == "no room; a file is damaged"
    [log] = listener.logs.iterdir()
    assert log.read_text().count("a file is damaged") == 1


def test_a_finished_cell_says_which_checkpoints_are_to_be_uploaded(
    listener: SweepListener, key: str, entry: Callable[[], Entry], tmp_path: Path
) -> None:
    study = replace(listener.work.study, checkpoint=Checkpointing(policy="last", upload="last"))
    listener.work = replace(listener.work, study=study)
    listener.reported(key, _report(0, weights_sha256="abc"))
    listener.ended(key)
    folder = tmp_path / listener.work.cells[key].id
    assert entry().tags[vocabulary.UPLOAD] == upload_order(folder, "last")


def test_a_journal_without_room_ends_the_sweep_as_ctrl_c_does_and_once(
    listener: SweepListener, journal: Journal, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", pressed.append)

    def full(*arguments: object) -> None:
        raise DiskFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", full)
        listener.reported(key, _report(0))
        listener.reported(key, _report(1))
        listener.interrupt()
    assert pressed == [signal.SIGINT]
    assert str(listener.refused) == "no room"


def test_a_log_that_cannot_be_written_is_done_without(
    listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    listener.logs.parent.mkdir(exist_ok=True)
    listener.logs.touch()
    listener.reported(key, _report(0, weights_sha256="abc"))
    listener.ended(key)
    assert entry().state == State.FINISHED


def test_a_cell_that_came_to_an_end_is_free_and_not_open_any_more(
    listener: SweepListener, leases: Leases, key: str
) -> None:
    other = next(other for other in listener.work.cells if other != key)
    cells = {name: listener.work.cells[name] for name in (key, other)}
    for cell in cells.values():
        assert leases.claim(cell.id)
    listener.started({"cell": other})
    assert listener.open_of(cells) == cells
    listener.reported(key, _report(0, weights_sha256="abc"))
    listener.ended(key)
    assert list(listener.open_of(cells)) == [other]
    listener.failed(other, reason="no memory", details="", final=False)
    assert list(listener.open_of(cells)) == [other]
    assert [leases.is_ours(cell.id) for cell in cells.values()] == [False, True]
    listener.failed(other, reason="no memory", details="", final=True)
    assert listener.open_of(cells) == {}
    assert leases.holder_of(cells[other].id) is None


def test_a_cell_that_stops_on_a_wish_is_interrupted_and_one_that_ended_is_finished(
    listener: SweepListener, watcher: FakeWatcher, journal: Journal, leases: Leases, key: str
) -> None:
    other = next(other for other in listener.work.cells if other != key)
    listener.started({"cell": other})
    assert leases.claim(listener.work.cells[key].id)
    listener.stopping()
    # The display may be in the middle of a line: it hears of it later.
    assert watcher.told == []
    for _ in range(2):
        listener.tick()
    assert [what for what, *_ in watcher.told] == ["stopping", "tick", "tick"]
    listener.reported(key, _report(0))
    listener.reported(other, _report(1, weights_sha256="abc"))
    for name in (key, other):
        listener.ended(name)
    assert listener.progress.num_finished == 1
    listener.interrupt()
    states = {entry.description.cell: entry.state for entry in journal.undelivered()}
    assert states == {key: State.INTERRUPTED, other: State.FINISHED}
    # Until the sweep has ended, nobody else begins with it.
    assert leases.is_ours(listener.work.cells[key].id)


def test_a_home_that_is_moved_ends_the_sweep_as_ctrl_c_does_and_once(
    listener: SweepListener,
    journal: Journal,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pressed: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", pressed.append)
    listener.tick()
    assert listener.refused is None
    home = journal.path.parent
    moved = home.rename(home.with_name("moved"))
    listener.logs = home / "logs"
    for _ in range(2):
        listener.tick()
    assert pressed == [signal.SIGINT]
    assert "was moved, deleted or replaced" in str(listener.refused)
    # What still comes is in the moved journal, and nothing is made where the home was.
    listener.reported(key, _report(0))
    listener.failed(key, reason="why", details="", final=True)
    assert not home.exists()
    journal.close()
    anew = Journal(moved / journal.path.name)
    assert anew.points(key) != []
    anew.close()


def test_what_happened_besides_is_shown(listener: SweepListener, watcher: FakeWatcher) -> None:
    listener.noted("n 5", "cannot be a trial")
    assert watcher.told == [("noted", "n 5", "cannot be a trial")]


def test_a_reason_of_any_length_fits_its_tag(
    listener: SweepListener, key: str, entry: Callable[[], Entry]
) -> None:
    listener.failed(key, reason="x" * 9000, details="x" * 9000, final=True)
    assert entry().tags[vocabulary.REASON] == "x" * 4000
    assert entry().tags[vocabulary.FAILURE_ARTIFACT] == "x" * 9000


def test_the_board_is_told_what_the_journal_is_told(listener: SweepListener, key: str) -> None:
    def now() -> CellNow:
        return next(cell for _, cell in listener.board.changed(-1) if cell.state != "waiting")

    assert now().state == "running"
    series = Series(0, 1000, {"validation/error": 0.5, "epoch_s": 1.0})
    listener.reported(key, replace(_report(0), points=(series,)))
    assert (now().epoch, now().curve is None) == (1, False)
    listener.failed(key, reason="no memory", details="...", final=True)
    assert (now().state, now().reason) == ("failed", "no memory")


def test_what_waits_is_counted_while_mlflow_does_not_answer(
    listener: SweepListener, key: str
) -> None:
    listener.failed(key, reason="no memory", details="", final=True)
    listener.tick()
    assert listener.board.num_waiting == 1
    listener.delivery.last_error = None
    listener.tick()
    assert listener.board.num_waiting == 0
