"""SIGKILL at random moments: of workers, of the driver, of the driver's whole group."""

import os
import signal
import subprocess
import time
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import (
    alive,
    below,
    command_of,
    kill,
    parent_of,
    training_below,
    wait_until,
)
from world.scale import LIMIT_S, dice, either

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_workers")]

FORKS = "orchestrator.launch.forking"
"""What is in the command line of the process that forks workers off."""


def _wait_for_points(user: Any, process: "subprocess.Popen[str]", *, beyond: int) -> None:
    wait_until(
        lambda: process.poll() is not None or records.journal_rows(user.home) > beyond,
        what="the sweep goes on",
    )


def test_workers_killed_at_random_moments_change_nothing(
    user: Any, troubled: str, calm_cells: list[records.Cell], ledger: Ledger
) -> None:
    wanted, drawn = either(3, 20), dice("workers")
    process = user.starts("sweep", user.writes(troubled))
    num_killed = 0
    while num_killed < wanted and process.poll() is None:
        before = records.journal_rows(user.home)
        # Each victim has trained an epoch or more since the last kill, or is about to.
        _wait_for_points(user, process, beyond=before)
        time.sleep(drawn.uniform(0.0, 1.5))
        victims = training_below(process.pid)
        if victims:
            kill(drawn.choice(victims))
            num_killed += 1
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, out
    assert num_killed == wanted, "the sweep ended before all kills"
    assert "the worker process died" in out
    assert "(raylet)" not in out
    verdict = records.compare(records.read_cells(user.home / "mlflow.db"), calm_cells)
    ledger.note("workers killed", tried=wanted, survived=num_killed, **verdict.figures())
    assert verdict.is_clean, verdict


def test_without_what_forks_workers_a_sweep_goes_on_with_rays_own(
    user: Any, troubled: str, calm_cells: list[records.Cell], ledger: Ledger
) -> None:
    process = user.starts("sweep", user.writes(troubled))
    _wait_for_points(user, process, beyond=0)
    wait_until(lambda: training_below(process.pid), what="a worker trains")
    [forks] = [pid for pid in below(process.pid) if FORKS in command_of(pid)]
    victims = training_below(process.pid)
    assert {parent_of(pid) for pid in victims} == {forks}
    for pid in (forks, *victims):
        kill(pid)
    wait_until(
        lambda: (
            process.poll() is not None
            or {parent_of(pid) for pid in training_below(process.pid)} - {forks}
        ),
        what="a worker trains that is no fork",
    )
    assert process.poll() is None, "the sweep ended before"
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, out
    verdict = records.compare(records.read_cells(user.home / "mlflow.db"), calm_cells)
    ledger.note("what forks workers killed", tried=1, survived=1, **verdict.figures())
    assert verdict.is_clean, verdict


def test_drivers_killed_at_random_moments_change_nothing(
    user: Any, troubled: str, calm_cells: list[records.Cell], ledger: Ledger
) -> None:
    wanted, drawn = either(2, 10), dice("drivers")
    path = user.writes(troubled)
    num_killed, longest_s = 0, 0.0
    for number in range(wanted):
        process = user.starts("sweep", path)
        before = records.journal_rows(user.home)
        if number % 2:
            # Anywhere, also while Ray starts.
            time.sleep(drawn.uniform(0.5, 8.0))
        else:
            _wait_for_points(user, process, beyond=before)
            time.sleep(drawn.uniform(0.0, 2.0))
        assert process.poll() is None, "the sweep ended before all kills"
        family = below(process.pid)
        if number % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            kill(process.pid)
        process.communicate(timeout=60)
        num_killed += 1
        killed_at = time.monotonic()
        # Ray's agents, which only wait and listen, take a minute to see that nobody needs them.
        wait_until(
            lambda family=family: not any("ImplicitFunc" in c for c in alive(family).values()),
            within_s=30,
            what="the end of the workers",
        )
        longest_s = max(longest_s, time.monotonic() - killed_at)
    done = user.runs("sweep", path, "--concurrency", "1", within_s=LIMIT_S)
    assert done.code == 0, done.err + done.out
    verdict = records.compare(records.read_cells(user.home / "mlflow.db"), calm_cells)
    ledger.note(
        "drivers killed",
        tried=wanted,
        survived=num_killed,
        longest_life_of_a_worker_left_s=round(longest_s, 1),
        **verdict.figures(),
    )
    assert verdict.is_clean, verdict
