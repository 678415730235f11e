"""One of the two processes of a trial is killed, or stops for ever: the trial is retried."""

import os
import signal
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import alive, below, command_of, kill, wait_until
from world.scale import FULL, LIMIT_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("own_workers"),
    pytest.mark.skipif(not FULL, reason="takes minutes: only with BNN_FAULTS=full"),
]

STUDY = """\
study: lost
question: Does a trial survive the loss of one of its processes?
base:
  model: {name: mlp, widths: [64, 24, 16, 10]}
  data: {name: digits, batch_size: 100}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2, fc3], epochs_per_layer: 20}
  epochs: 100
axes:
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: seed}
checkpoint: {policy: last, interval_s: 0.2}
retries: 3
trial: {processes: 2, timeout_s: 20}
"""
OTHER = "_Rank.run"
"""What Ray calls a process that is not the first of its trial."""


def _others(root: int) -> list[int]:
    return [pid for pid in below(root) if OTHER in command_of(pid)]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGKILL, "the worker process died"),
        (signal.SIGSTOP, "LostRankError: a process of the trial did not answer for 20 s"),
    ],
)
def test_a_trial_that_loses_a_process_is_retried_and_each_step_is_there_once(
    number: signal.Signals, told: str, user: Any, ledger: Ledger
) -> None:
    process = user.starts("sweep", user.writes(STUDY))
    wait_until(
        lambda: process.poll() is not None or records.journal_rows(user.home) > 100,
        within_s=LIMIT_S,
        what="the sweep begins",
    )
    victims = _others(process.pid)
    assert len(victims) == 1
    os.kill(victims[0], number)
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, out
    assert f"failed and is retried: {told}" in out
    assert not alive(victims)
    cells = records.read_cells(user.home / "mlflow.db")
    assert [cell.status for cell in cells] == ["FINISHED"]
    assert set(cells[0].places.values()) == {1}
    ledger.note(f"a process of a trial: {number.name}", tried=1, survived=1)


def test_processes_end_with_the_driver(user: Any) -> None:
    process = user.starts("sweep", user.writes(STUDY))
    wait_until(lambda: records.journal_rows(user.home) > 100, within_s=LIMIT_S, what="it begins")
    family = below(process.pid)
    kill(process.pid)
    process.communicate(timeout=60)
    wait_until(
        lambda: not any(OTHER in command for command in alive(family).values()),
        within_s=30,
        what="the end of the other process",
    )
