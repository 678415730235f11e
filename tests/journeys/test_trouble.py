"""Sweeps that go wrong: failures, kills, Ctrl-C, wrong resources; more kills in tests/faults."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def _longer(small: str, *, epochs: int) -> str:
    text = small.replace("epochs: 4", f"epochs: {epochs}")
    return text.replace("epochs_per_layer: 2", f"epochs_per_layer: {epochs // 2}")


def _wait_until(condition: Callable[[], bool], *, within_s: float = 90) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def _journal_rows(user: Any) -> int:
    import sqlite3

    path = user.home / "journal.db"
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
            return int(journal.execute("SELECT COUNT(*) FROM points").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def _workers_of(root: int) -> list[int]:
    """Process ids of Ray's training workers below a process."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()[1:]]
    parents = {int(row[0]): int(row[1]) for row in rows}

    def is_below(pid: int) -> bool:
        while pid in parents and pid != root:
            pid = parents[pid]
        return pid == root

    names = {int(row[0]): row[2] for row in rows if len(row) == 3}
    return [pid for pid, name in names.items() if "ImplicitFunc.train" in name and is_below(pid)]


def test_a_failing_cell_is_named_and_the_others_go_on(user: Any, small: str) -> None:
    axis = "{name: order, sets: layers.order, permutations: all, controls: [float]}"
    rates = "{name: rate, sets: optimizer.lr, values: {good: 0.01, bad: 1e38}}"
    text = small.replace(axis, rates).replace("rows: order", "rows: rate")
    done = user.runs("sweep", user.writes(text), "--concurrency", "1")
    assert done.code == 1, done.err
    assert "bad · seed 7" in done.out
    assert "BadLossError" in done.out
    assert "retried" in done.out
    (line,) = (line for line in done.out.splitlines() if line.strip().startswith("log:"))
    assert "BadLossError" in Path(line.split("log:")[1].strip()).read_text(encoding="utf-8")
    states = {cell.name: (cell.status, cell.tags["bnn.state"]) for cell in user.cells()}
    assert states == {
        "good · seed 7": ("FINISHED", "finished"),
        "bad · seed 7": ("FAILED", "failed"),
    }
    (failure,) = user.home.glob("artifacts/small/*/artifacts/failure.txt")
    assert "BadLossError" in failure.read_text()
    again = user.runs(
        "sweep", "./small.yaml", "--seeds", "7,8", "--retry-failed", "--concurrency", "1"
    )
    assert again.code == 1, again.err
    assert "failed    1 of them, which are retried" in again.out
    assert {cell.name: (cell.status, cell.tags["bnn.state"]) for cell in user.cells()} == states


def test_ctrl_c_stops_soon_keeps_what_is_finished_and_says_how_to_go_on(
    user: Any, small: str
) -> None:
    path = user.writes(_longer(small, epochs=2000))
    process = user.starts("sweep", path)
    _wait_until(lambda: _journal_rows(user) > 100)
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert time.monotonic() - pressed < 20
    assert "resume with: bnn-orchestrate sweep ./small.yaml" in out
    assert "Traceback" not in out
    assert {cell.tags["bnn.state"] for cell in user.cells()} == {"interrupted"}


def _longer_orders(orders: str, *, checkpoint: str) -> str:
    text = orders.replace("epochs: 12", "epochs: 30")
    text = text.replace("epochs_per_layer: 4", "epochs_per_layer: 10")
    return text + f"checkpoint: {checkpoint}\n"


def _weights(user: Any) -> dict[str, str]:
    return {cell.name: cell.tags["bnn.weights_sha256"] for cell in user.cells()}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, settled: Any, orders: str) -> Any:
    """A user whose sweep of the orders shared nothing and met no trouble."""
    calm = type(settled)(tmp_path_factory.mktemp("calm"))
    path = calm.writes(_longer_orders(orders, checkpoint="{policy: none}"))
    assert calm.runs("sweep", path, "--no-share", "--concurrency", "1").code == 0
    return calm


@pytest.mark.parametrize("policy", ["{policy: none}", "{policy: last, interval_s: 0}"])
def test_a_kill_half_way_through_shared_beginnings_changes_no_result(
    policy: str, user: Any, calm: Any, orders: str, deterministic_part: Callable[[Any], Any]
) -> None:
    path = user.writes(_longer_orders(orders, checkpoint=policy))
    process = user.starts("sweep", path)
    stems = user.home / "checkpoints" / "stems"
    # The float control and a first order are on their way or done; others wait or have begun.
    _wait_until(lambda: len(list(stems.glob("*/*.pt"))) > 0)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert list(stems.glob("*/*.pt"))
    done = user.runs("sweep", path)
    assert done.code == 0, done.err
    assert "shared    " in done.out
    before = {cell.name: cell for cell in calm.cells()}
    assert _weights(user) == _weights(calm)
    assert len(user.cells()) == 7
    for cell in user.cells():
        assert deterministic_part(cell) == deterministic_part(before[cell.name])
        assert cell.num_rows == len(cell.points)
    assert any("bnn.inherited" in cell.tags for cell in user.cells())
    assert list(stems.iterdir()) == []


def test_where_no_beginning_can_be_left_every_cell_trains_its_own(
    user: Any, calm: Any, orders: str
) -> None:
    path = user.writes(_longer_orders(orders, checkpoint="{policy: none}"))
    folder = user.home / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "stems").touch()
    done = user.runs("sweep", path, "--concurrency", "1")
    assert done.code == 0, done.err
    assert "7/7" in done.out
    assert _weights(user) == _weights(calm)
    assert not any("bnn.inherited" in cell.tags for cell in user.cells())


@pytest.mark.usefixtures("own_workers")
def test_a_carrier_that_dies_for_good_is_replaced(user: Any, calm: Any, orders: str) -> None:
    text = _longer_orders(orders, checkpoint="{policy: none}").replace(", controls: [float]", "")
    path = user.writes(text + "retries: 0\n")
    process = user.starts("sweep", path, "--concurrency", "1")
    _wait_until(lambda: _journal_rows(user) > 100)
    victims = _workers_of(process.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1, out
    states = {cell.name: cell.tags["bnn.state"] for cell in user.cells()}
    assert sorted(states.values()) == ["failed"] + ["finished"] * 5
    assert states["forward · seed 7"] == "failed"
    again = user.runs("sweep", path, "--concurrency", "1")
    assert again.code == 0, again.err
    weights = _weights(calm)
    del weights["float · seed 7"]
    assert _weights(user) == weights
    assert list((user.home / "checkpoints" / "stems").iterdir()) == []


def test_more_than_the_machine_has_is_said_before_anything_starts(user: Any, small: str) -> None:
    started = time.monotonic()
    done = user.runs("sweep", user.writes(small), "--cpus-per-trial", "4096")
    assert done.code == 2
    assert "4096 CPUs" in done.err
    assert "--cpus-per-trial" in done.err
    assert time.monotonic() - started < 30
    assert not user.home.exists()


def test_a_cluster_that_does_not_answer_is_said(user: Any, small: str) -> None:
    done = user.runs("sweep", user.writes(small), "--ray-address", "127.0.0.1:1")
    assert done.code == 2
    assert "127.0.0.1:1" in done.err


def test_a_tracking_server_that_cannot_be_found_is_said(user: Any, small: str) -> None:
    path = user.writes(small)
    done = user.runs("sweep", path, "--tracking-uri", "http://nowhere.invalid:1")
    assert done.code == 2
    assert "http://nowhere.invalid:1" in done.err
    assert "nothing was launched" in done.err
