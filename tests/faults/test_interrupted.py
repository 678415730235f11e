"""Ctrl-C once: to the end of the epoch. Twice: at once. The same command goes on from there."""

import os
import re
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from world import records
from world.processes import wait_until
from world.scale import LIMIT_S

pytestmark = pytest.mark.slow

STOPS_WITHIN_S = 40


def _interrupted(user: Any, path: str, *, times: int) -> str:
    """Begins a sweep and presses Ctrl-C while it trains; what it said."""
    before = records.journal_rows(user.home)
    process = user.starts("sweep", path)
    wait_until(
        lambda: process.poll() is not None or records.journal_rows(user.home) > before + 100,
        what="the sweep trains",
    )
    pressed_at = time.monotonic()
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    assert time.monotonic() - pressed_at < STOPS_WITHIN_S
    assert "Traceback" not in out
    assert f"resume with: bnn-orchestrate sweep {path}" in out
    return str(out)


def _journaled(user: Any) -> dict[str, tuple[str, int]]:
    """Of each trial in the journal its state, and its last epoch."""
    query = (
        "SELECT trial, state, MAX(step) FROM cells JOIN points USING (cell) "
        "WHERE key = 'validation/error' GROUP BY cell"
    )
    with closing(sqlite3.connect(user.home / "journal.db")) as journal:
        return {trial: (state, step) for trial, state, step in journal.execute(query)}


def test_ctrl_c_loses_no_epoch_and_the_same_command_goes_on(
    user: Any, brief: str, brief_cells: list[records.Cell]
) -> None:
    path = user.writes(brief.replace("interval_s: 0.2", "interval_s: 0"))
    said = _interrupted(user, path, times=1)
    assert "stopping at the end of the epoch; Ctrl-C again stops at once" in said
    states = {cell.name: cell.tags["bnn.state"] for cell in records.read_cells(_database(user))}
    assert "interrupted" in states.values()
    assert set(states.values()) <= {"interrupted", "finished"}
    for trial, (state, last) in _journaled(user).items():
        if state == "interrupted":
            files = (user.home / "checkpoints" / trial).glob("epoch-*.pt")
            epochs = [int(re.findall(r"\d+", file.name)[0]) for file in files]
            assert max(epochs) >= last
    _interrupted(user, path, times=2)
    done = user.runs("sweep", path, "--concurrency", "1", within_s=LIMIT_S)
    assert done.code == 0, done.err + done.out
    verdict = records.compare(records.read_cells(_database(user)), brief_cells)
    assert verdict.is_clean, verdict


def _database(user: Any) -> Any:
    return user.home / "mlflow.db"
