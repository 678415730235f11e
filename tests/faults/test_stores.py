"""What a person does to a store with `mv`, `cp`, and MLflow's own pages, between two sweeps."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from world.scale import FULL, in_full

pytestmark = pytest.mark.slow

SWEEP = ("sweep", "./small.yaml", "--concurrency", "1")
MORE = (*SWEEP, "--seeds", "7,8")
"""With three cells more."""


def _execute(user: Any, query: str, *values: str) -> None:
    with closing(sqlite3.connect(user.home / "mlflow.db")) as database, database:
        assert database.execute(query, values).rowcount > 0


def _is_whole(user: Any, *, num_cells: int) -> None:
    """Each cell has one run, finished, with each point once; artifacts lie in the home."""
    cells = user.cells()
    assert len(cells) == len({cell.name for cell in cells}) == num_cells
    assert {cell.tags["bnn.state"] for cell in cells} == {"finished"}
    assert all(cell.num_rows == len(cell.points) for cell in cells)
    with closing(sqlite3.connect(user.home / "mlflow.db")) as database:
        query = "SELECT artifact_uri FROM runs WHERE experiment_id != 0"
        places = [place for (place,) in database.execute(query).fetchall()]
    assert all(place.startswith(f"file://{user.home}/artifacts/") for place in places)
    assert list(user.home.glob("artifacts/*/*/artifacts/matrix.csv"))


@pytest.mark.parametrize(
    "name",
    ['it\'s "größer" a%20b?v=1 #1;&[x]*\\', in_full("a%20b"), in_full("runs?v=1")],
)
def test_everything_lies_in_a_home_whatever_its_name(name: str, user: Any, small: str) -> None:
    before = {user.folder / "small.yaml", user.folder / "deep"}
    user.home = user.folder / "deep" / name
    user.writes(small)
    done = user.runs(*SWEEP, "--home", str(user.home))
    assert done.code == 0, done.err
    assert set(user.folder.iterdir()) == before
    assert set((user.folder / "deep").iterdir()) == {user.home}
    names = {path.name for path in user.home.iterdir()}
    assert names >= {"mlflow.db", "journal.db", "artifacts", "logs"}
    assert len(user.cells()) == 3
    assert list(user.home.glob("artifacts/small/*/artifacts/matrix.csv"))
    shown = user.runs("matrix", "small", "--home", str(user.home))
    assert shown.code == 0, shown.err
    exported = user.runs(
        "export", "best:small", "--home", str(user.home), "-o", "n.bnn", "--retrain"
    )
    assert exported.code == 0, exported.err
    assert list(user.home.glob("artifacts/small/models/*/artifacts/MLmodel"))


def test_a_home_that_was_moved_goes_on_in_its_new_place(again: Any, swept: Any) -> None:
    before = sorted(path for path in swept.home.rglob("*") if path.suffix != ".lock")
    done = again.runs(*MORE)
    assert done.code == 0, done.err
    assert "3 of them finished" in done.out
    _is_whole(again, num_cells=6)
    exported = again.runs("export", "best:small", "-o", "n.bnn")
    assert exported.code == 0, exported.err
    assert list(again.home.glob("artifacts/small/models/*/artifacts/MLmodel"))
    # The original goes on alone.
    assert sorted(path for path in swept.home.rglob("*") if path.suffix != ".lock") == before


def _rename_experiment(user: Any) -> None:
    _execute(user, "UPDATE experiments SET name = 'mine' WHERE name = 'small'")


def _untag_experiment(user: Any) -> None:
    _execute(user, "DELETE FROM experiment_tags WHERE key = 'bnn.study'")


def _rename_and_untag(user: Any) -> None:
    _rename_experiment(user)
    _untag_experiment(user)


def _untag_runs(user: Any) -> None:
    _execute(user, "DELETE FROM tags WHERE key IN ('bnn.kind', 'bnn.cell')")


def _change_state(user: Any) -> None:
    _execute(user, "UPDATE tags SET value = 'failed' WHERE key = 'bnn.state'")


def _end_by_hand(user: Any) -> None:
    _execute(user, "UPDATE runs SET status = 'FAILED', name = 'mine'")
    _execute(user, "UPDATE tags SET value = 'mine' WHERE key = 'mlflow.runName'")


def _lose_database(user: Any) -> None:
    for path in user.home.glob("mlflow.db*"):
        path.unlink()


def _lose_journal(user: Any) -> None:
    for path in user.home.glob("journal.db*"):
        path.unlink() if path.is_file() else shutil.rmtree(path)


def _lose_artifacts(user: Any) -> None:
    shutil.rmtree(user.home / "artifacts")


def _lose_checkpoints(user: Any) -> None:
    shutil.rmtree(user.home / "checkpoints")


def _delete_parent(user: Any) -> None:
    _execute(
        user,
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid IN "
        "(SELECT run_uuid FROM tags WHERE key = 'bnn.kind' AND value = 'study')",
    )


DEEDS: list[Callable[[Any], None]] = [
    _rename_and_untag,
    _untag_runs,
    _lose_database,
    _lose_journal,
]
MORE_DEEDS: list[Callable[[Any], None]] = [
    _rename_experiment,
    _untag_experiment,
    _change_state,
    _lose_artifacts,
    _lose_checkpoints,
    _delete_parent,
]


@pytest.mark.parametrize(
    "deed", [*DEEDS, *map(in_full, MORE_DEEDS)], ids=lambda deed: deed.__name__.strip("_")
)
def test_nothing_is_trained_again_and_nothing_is_doubled(
    deed: Callable[[Any], None], again: Any
) -> None:
    weights = {cell.name: cell.tags["bnn.weights_sha256"] for cell in again.cells()}
    deed(again)
    done = again.runs("sweep", "./small.yaml")
    assert done.code == 0, done.err
    assert "nothing left to do" in done.out
    _is_whole(again, num_cells=3)
    assert {cell.name: cell.tags["bnn.weights_sha256"] for cell in again.cells()} == weights
    shown = again.runs("matrix", "small")
    assert shown.code == 0, shown.err
    assert " float " in shown.out
    settled = again.runs("sync")
    assert settled.code == 0, settled.err
    assert "nothing waits" in settled.out


def test_runs_that_are_renamed_and_ended_by_hand_are_the_same_cells(again: Any) -> None:
    _end_by_hand(again)
    done = again.runs("sweep", "./small.yaml")
    assert "nothing left to do" in done.out
    assert len(again.cells()) == 3
    assert again.runs("matrix", "small").code == 0


def test_a_run_that_is_restored_after_it_was_replaced_counts_once(again: Any) -> None:
    frame = again.runs("matrix", "small", "--csv", "before.csv")
    assert frame.code == 0, frame.err
    stage = "UPDATE runs SET lifecycle_stage = ? WHERE name LIKE 'reverse%'"
    _execute(again, stage, "deleted")
    done = again.runs("sweep", "./small.yaml")
    assert done.code == 0, done.err
    _execute(again, stage, "active")
    assert len(again.cells()) == 4
    shown = again.runs("matrix", "small", "--csv", "after.csv")
    assert shown.code == 0, shown.err
    done = again.runs("sweep", "./small.yaml")
    assert "nothing left to do" in done.out
    _is_whole(again, num_cells=3)
    after, before = ((again.folder / f"{name}.csv").read_text() for name in ("after", "before"))
    assert after == before


def test_a_copy_of_the_two_files_alone_has_everything(swept: Any, user: Any) -> None:
    user.home.mkdir()
    shutil.copy(swept.folder / "small.yaml", user.folder)
    for name in ("mlflow.db", "journal.db"):
        shutil.copy(swept.home / name, user.home)
    done = user.runs("sweep", "./small.yaml")
    assert done.code == 0, done.err
    assert "nothing left to do" in done.out
    _is_whole(user, num_cells=3)


@pytest.mark.skipif(not FULL, reason="its parts are tested alone: only with BNN_FAULTS=full")
def test_an_experiment_of_somebody_else_with_the_name_is_left_alone(user: Any, small: str) -> None:
    done = user.runs("sweep", user.writes(small.replace("study: small", "study: other")))
    assert done.code == 0, done.err
    _execute(user, "UPDATE experiments SET name = 'small' WHERE name = 'Default'")
    refused = user.runs("sweep", user.writes(small))
    assert refused.code == 2
    assert "the experiment 'small' in MLflow is not of this study" in refused.err
    assert "nothing was launched" in refused.err
    assert len(user.cells()) == 3


def test_an_upload_that_waits_is_made_from_the_moved_home(user: Any, small: str) -> None:
    text = small + "checkpoint: {policy: last, upload: last}\n"
    user.writes(text)
    done = user.runs(*SWEEP)
    assert done.code == 0, done.err
    _lose_database(user)
    shutil.rmtree(user.home / "artifacts")
    user.home = user.home.rename(user.folder / "moved")
    synced = user.runs("sync", "--home", "moved")
    assert synced.code == 0, synced.err
    assert len(list(user.home.glob("artifacts/small/*/artifacts/checkpoints/*.pt"))) == 3
    assert not (user.folder / "bnn-runs").exists()


def test_a_home_that_is_moved_under_a_sweep_is_noticed(user: Any, small: str) -> None:
    longer = small.replace("epochs: 4", "epochs: 2000").replace("per_layer: 2", "per_layer: 1000")
    path = user.writes(longer + "checkpoint: {policy: last, interval_s: 1}\n")
    process = user.starts("sweep", path)
    _wait(lambda: _num_points(user.home / "journal.db") > 50)
    moved = user.home.rename(user.folder / "moved")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1, out
    assert "journal.db was moved, deleted or replaced" in out
    assert "Traceback" not in out
    assert _num_points(moved / "journal.db") > 50
    assert not list(user.folder.glob("bnn-runs/*.db"))
    assert not (user.home / "artifacts").exists()


def _num_points(journal: Path) -> int:
    if not journal.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT COUNT(*) FROM points").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)
