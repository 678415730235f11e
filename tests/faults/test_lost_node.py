"""A cluster loses a node in the middle of a sweep, or gets one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import below, command_of, kill, training_below, wait_until
from world.scale import FULL, LIMIT_S
from world.servers import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FULL, reason="starts two nodes: only with BNN_FAULTS=full"),
]

SOON = {
    # How often the head asks a node whether it lives, and how often in vain.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def _node(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A node with one CPU, as `ray start` makes it; killed with all its processes."""
    command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "1"]
    if not Path(command[0]).exists():
        command[:1] = [sys.executable, "-m", "ray.scripts.scripts"]
    command += ["--disable-usage-stats", "--object-store-memory", str(100 * 2**20), *arguments]
    process = subprocess.Popen(
        command,
        env={**os.environ, **SOON},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        # Some of them have left its group.
        for pid in below(process.pid):
            kill(pid)
        process.wait(30)


@pytest.fixture
def head() -> Iterator[str]:
    """The address of a cluster's head."""
    port = free_port()
    # Ray puts sockets below the folder, whose paths must be short.
    folder = tempfile.mkdtemp(prefix="ray")
    arguments = ("--head", "--port", str(port), "--temp-dir", folder)
    try:
        with _node(*arguments, "--include-dashboard=false"):
            wait_until(lambda: _is_open(port), what="the head answers")
            yield f"127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_trials_of_a_lost_node_end_elsewhere_with_the_same_bits(
    user: Any, troubled: str, calm_cells: list[records.Cell], head: str, ledger: Ledger
) -> None:
    with _node("--address", head) as second:
        wait_until(lambda: _raylets(second.pid), what="the second node is there")
        time.sleep(2)
        path = user.writes(troubled)
        process = user.starts("sweep", path, "--ray-address", head)
        wait_until(lambda: training_below(second.pid), what="the second node trains")
        before = records.journal_rows(user.home)
        wait_until(lambda: records.journal_rows(user.home) > before, what="the sweep goes on")
        (raylet,) = _raylets(second.pid)
        lost = training_below(second.pid)
        os.kill(raylet, signal.SIGKILL)
        killed_at = time.monotonic()
        out, _ = process.communicate(timeout=LIMIT_S)
        took_s = time.monotonic() - killed_at
    assert process.returncode == 0, out
    assert "slots     2 at a time" in out
    assert "retried" in out
    verdict = records.compare(records.read_cells(user.home / "mlflow.db"), calm_cells)
    ledger.note(
        "node of a cluster lost",
        trials_on_it=len(lost),
        sweep_went_on_for_s=round(took_s, 1),
        **verdict.figures(),
    )
    assert verdict.is_clean, verdict


def test_a_node_that_comes_late_is_used_and_one_that_leaves_is_not_waited_for(
    user: Any, brief: str, head: str, ledger: Ledger
) -> None:
    # Long enough for the second node's first worker to load its libraries.
    process = user.starts(
        "sweep", user.writes(brief), "--scale-epochs", "0.3", "--ray-address", head
    )
    wait_until(lambda: records.journal_rows(user.home) > 0, what="the first node trains")
    came_at = time.monotonic()
    with _node("--address", head) as second:
        wait_until(lambda: training_below(second.pid), what="the second node trains, too")
        took_s = time.monotonic() - came_at
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, out
    assert "slots     1 at a time" in out
    assert out.count("room for 2 trials at once now, 1 before") == 1
    assert out.count("room for 1 trial at once now, 2 before") == 1
    assert {cell.status for cell in user.cells()} == {"FINISHED"}
    ledger.note("node that joined late", trained_after_s=round(took_s, 1))


def _raylets(root: int) -> list[int]:
    return [pid for pid in below(root) if "/raylet/raylet " in command_of(pid)]
