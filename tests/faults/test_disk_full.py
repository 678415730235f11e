"""A disk that takes nothing more, in the middle of everything: a real one, of a few megabytes."""

import itertools
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from world.scale import FULL

from orchestrator.free_space import DiskFullError
from orchestrator.home import Home
from orchestrator.record.delivery import Delivery
from orchestrator.record.entries import CellDescription, Point, StudyRecord
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store
from trainers import CheckpointPolicy, EpochMetrics, RunOptions, TrainSpec, run
from trainers.storage import names

STUDY = """\
study: full-disk
question: What does a full disk cost?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2], epochs_per_layer: 20}
  epochs: 80
axes:
  - {name: order, sets: layers.order, permutations: [forward], controls: [float]}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed}
"""


class Disk:
    """A disk of its own, and what somebody else puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast = folder / "ballast"

    def fill(self) -> None:
        """Leaves no room at all."""
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def make_room(self) -> None:
        self.ballast.unlink()

    def protect(self) -> None:
        """Makes it read-only, as a kernel does that found it broken."""
        _mount("-o", "remount,ro", str(self.folder))

    def unprotect(self) -> None:
        _mount("-o", "remount,rw", str(self.folder))


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    made: list[Path] = []

    def make(size: str) -> Disk:
        if os.geteuid() != 0:
            pytest.skip("to mount a small disk takes root")
        folder = tmp_path / "a-disk-of-a-few-megabytes"
        folder.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
        made.append(folder)
        return Disk(folder)

    yield make
    for folder in made:
        # Lazily: whatever still holds a file there lets go of it later.
        subprocess.run(["umount", "-l", str(folder)], check=False)


MakeDisk = Callable[[str], Disk]


@pytest.fixture
def spec(spec: TrainSpec) -> TrainSpec:
    """Two epochs more than elsewhere: time for a disk to fill up."""
    return replace(spec, epochs=8)


class After:
    """Does something after some epochs."""

    def __init__(self, **what: Callable[[], None]) -> None:
        self.what = {int(epochs.removeprefix("epochs_")): do for epochs, do in what.items()}

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        if do := self.what.pop(metrics.epoch + 1, None):
            do()


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_trial_goes_on_without_the_checkpoints_that_its_disk_refuses(
    how: str, make_disk: MakeDisk, spec: TrainSpec
) -> None:
    disk = make_disk("1m")
    trial = disk.folder / "trial"
    kept: list[list[str]] = []

    def trouble() -> None:
        kept.append(names(trial))
        disk.fill() if how == "full" else disk.protect()

    def relief() -> None:
        kept.append(names(trial))
        disk.make_room() if how == "full" else disk.unprotect()

    options = RunOptions(
        device="cpu",
        num_threads=1,
        checkpoint_dir=trial,
        checkpoints=CheckpointPolicy(policy="last", interval_s=0),
    )
    notes: list[str] = []
    disturbed = run(
        spec, [After(epochs_3=trouble, epochs_6=relief)], options=options, note=notes.append
    )
    alone = run(spec, options=RunOptions(device="cpu", num_threads=1))
    assert disturbed.weights_sha256 == alone.weights_sha256
    [note] = notes
    assert "the checkpoint after epoch 4 could not be written" in note
    assert ("No space left" if how == "full" else "Read-only") in note
    # What was there when the trouble began is there when it ends, and nothing else.
    assert len(kept[0]) == 2
    assert kept[1] == kept[0]
    assert [name[:12] for name in names(trial)] == ["epoch-000006", "epoch-000007"]


def test_a_trial_that_dies_on_a_full_disk_goes_on_from_the_checkpoint_before(
    make_disk: MakeDisk, spec: TrainSpec
) -> None:
    disk = make_disk("1m")
    options = RunOptions(
        device="cpu",
        num_threads=1,
        checkpoint_dir=disk.folder / "trial",
        checkpoints=CheckpointPolicy(policy="last", interval_s=0),
    )

    def die() -> None:
        raise KeyboardInterrupt("the worker is gone")

    with pytest.raises(KeyboardInterrupt, match="the worker is gone"):
        run(spec, [After(epochs_3=disk.fill, epochs_6=die)], options=options)
    epochs: list[int] = []

    class Trained:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            epochs.append(metrics.time_ms)

    began_ms = time.time_ns() // 1_000_000
    result = run(spec, [Trained()], options=options)
    assert sum(time_ms < began_ms for time_ms in epochs) == 3
    alone = run(spec, options=RunOptions(device="cpu", num_threads=1))
    assert result.weights_sha256 == alone.weights_sha256


@pytest.fixture
def description() -> CellDescription:
    return CellDescription(
        cell="tiny/v/order=forward/t",
        study="tiny/v",
        trial="0123456789abcdef",
        name="forward",
        params={},
        tags={"bnn.cell": "tiny/v/order=forward/t", "bnn.variant": "v", "bnn.trial": "t"},
    )


def _epoch(step: int) -> list[Point]:
    return [Point(f"metric {number}", step, step / 7, 1000 + step) for number in range(20)]


def _append_for_ever(journal: Journal, cell: str) -> None:
    for step in itertools.count():
        journal.append(cell, _epoch(step))


def test_a_journal_on_a_full_disk_keeps_what_it_took(
    make_disk: MakeDisk, description: CellDescription
) -> None:
    disk = make_disk("1m")
    path = disk.folder / "journal.db"
    with closing(Journal(path)) as journal:
        journal.begin(description)
        with pytest.raises(DiskFullError, match="free there; make room"):
            _append_for_ever(journal, description.cell)
        steps = len(journal.points(description.cell)) // 20
        assert steps > 10
        assert len(journal.points(description.cell)) == 20 * steps
        with pytest.raises(DiskFullError, match="repeat the command"):
            journal.append(description.cell, _epoch(steps + 1))
    _mount("-o", "remount,size=4m", str(disk.folder))
    with closing(Journal(path)) as journal:
        assert len(journal.points(description.cell)) == 20 * steps
        for step in range(steps + 2):
            journal.append(description.cell, _epoch(step))
        assert len(journal.points(description.cell)) == 20 * (steps + 2)


@pytest.mark.slow
def test_results_wait_while_the_disk_of_mlflows_database_is_full(
    make_disk: MakeDisk, description: CellDescription, tmp_path: Path
) -> None:
    disk = make_disk("8m")
    home = Home.at(tmp_path / "home", f"sqlite:///{disk.folder / 'mlflow.db'}")
    store = Store(home)
    with closing(Journal(home.journal)) as journal:
        delivery = Delivery(journal, store)
        journal.begin_study(
            StudyRecord(name="tiny", variant="v", title="tiny", question="?", tags={})
        )
        journal.begin(description)
        journal.append(description.cell, _epoch(0))
        delivery.deliver()
        disk.fill()
        for step in range(1, 200):
            journal.append(description.cell, _epoch(step))
        with pytest.raises(Exception, match="full"):
            delivery.deliver()
        assert journal.num_unsent() > 0
        disk.make_room()
        delivery.deliver()
        assert journal.num_unsent() == 0
        entry = journal.entry(description.cell)
        assert entry is not None
        assert entry.run_id is not None
        found = store.points_of(entry.run_id)
    assert len(found) == len({(point.key, point.step) for point in found}) == 20 * 200


class Command:
    """The command line in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "study.yaml").write_text(STUDY)
        unwanted = ("MLFLOW_", "BNN_", "RAY_")
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(unwanted)
        }

    def starts(self, *arguments: str) -> "subprocess.Popen[str]":
        line = [sys.executable, "-m", "orchestrator.cli.main", "sweep", "study.yaml", *arguments]
        return subprocess.Popen(
            line,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def runs(self, *arguments: str) -> tuple[int, str]:
        process = self.starts(*arguments)
        out, _ = process.communicate(timeout=240)
        return process.returncode, out


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def _cells(home: Path) -> dict[str, tuple[str, str | None, int, int]]:
    """Of each cell: its weights, its note, how many points it has, and how many different."""
    query = """
        SELECT name, (SELECT value FROM tags WHERE run_uuid = r.run_uuid
                      AND key = 'bnn.weights_sha256') AS weights,
               (SELECT value FROM tags WHERE run_uuid = r.run_uuid AND key = 'bnn.note'),
               COUNT(*), COUNT(DISTINCT m.key || ' ' || m.step)
        FROM runs r JOIN metrics m USING (run_uuid) GROUP BY r.run_uuid HAVING weights NOT NULL
    """
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        return {name: tuple(rest) for name, *rest in database.execute(query)}


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="takes minutes: only with BNN_FAULTS=full")
def test_a_sweep_whose_checkpoints_fill_their_disk_is_refused_or_forced_and_ends_right(
    make_disk: MakeDisk, command: Command, tmp_path: Path
) -> None:
    disk = make_disk("2m")
    line = ["--storage", str(disk.folder), "--set", "checkpoint.policy=every", "--home"]
    code, out = command.runs(*line, "home")
    assert code == 2, out
    assert "this needs about" in out
    assert f"in {disk.folder}, but 2.1 MB are free" in out
    assert "nothing was launched" in out
    code, out = command.runs(*line, "home", "--force")
    assert code == 0, out
    assert out.count("could not be written: [Errno 28] No space left on device") == 2, out
    code, out = command.runs("--home", "calm")
    assert code == 0, out
    cells, undisturbed = _cells(tmp_path / "home"), _cells(tmp_path / "calm")
    assert cells.keys() == undisturbed.keys()
    for name, (weights, note, num_points, num_different) in cells.items():
        assert weights == undisturbed[name][0]
        assert num_points == num_different == undisturbed[name][2]
        assert note is not None
        assert "training goes on without it" in note


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="takes minutes: only with BNN_FAULTS=full")
def test_a_sweep_whose_home_fills_up_stops_says_why_and_goes_on_with_room(
    make_disk: MakeDisk, command: Command, tmp_path: Path
) -> None:
    disk = make_disk("24m")
    home = disk.folder / "home"
    longer = ["--set", "base.epochs=300", "--set", "checkpoint.policy=last"]
    process = command.starts("--home", str(home), *longer)
    end = time.monotonic() + 120
    while not (home / "journal.db-wal").exists() or _num_points(home) < 500:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "it never trained"
        time.sleep(0.1)
    disk.fill()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1, out
    assert "Traceback" not in out
    assert f"stopped: {home / 'journal.db'} cannot be written" in out
    assert "make room and repeat the command" in out
    disk.make_room()
    code, out = command.runs("--home", str(home), *longer)
    assert code == 0, out
    code, out = command.runs("--home", "calm", *longer)
    assert code == 0, out
    cells, undisturbed = _cells(home), _cells(tmp_path / "calm")
    assert cells.keys() == undisturbed.keys()
    for name, (weights, _, num_points, num_different) in cells.items():
        assert weights == undisturbed[name][0]
        assert num_points == num_different == undisturbed[name][2]


def _num_points(home: Path) -> int:
    try:
        uri = f"file:{home / 'journal.db'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            return int(database.execute("SELECT COUNT(*) FROM points").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
