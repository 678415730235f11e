"""The batch script: submitted, preempted once, requeued, complete."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stack import wait_until

pytestmark = pytest.mark.slow

STUDY = ("digits-orders", "--scale-epochs", "0.2")


def _run(*words: str, **options: Any) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def slurm() -> None:
    """A Slurm that may be used, with two idle nodes."""
    if not os.environ.get("BNN_CLUSTER"):
        pytest.skip("starts Ray on two nodes: only with make cluster-test")
    if not os.environ.get("BNN_SLURM"):
        pytest.skip("submits to the Slurm that answers here: only with BNN_SLURM=yes")
    if not shutil.which("sbatch"):
        pytest.skip("there is no sbatch")
    idle = _run("sinfo", "-h", "-t", "idle", "-o", "%D")
    if sum(map(int, idle.split())) < 2:
        pytest.skip("Slurm has no two idle nodes")


@pytest.fixture
def submit(slurm: None, root: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Submits the batch script; cancels what it submitted."""
    jobs: list[str] = []
    environment = {
        **os.environ,
        "BNN_BIN": str(Path(sys.executable).parent),
        "BNN_HOME": str(tmp_path / "runs"),
        "BNN_CPUS": "1",
        "PYTHONPATH": str(root),
    }

    def send(*words: str) -> str:
        script = str(root / "docker" / "slurm" / "sweep.sbatch")
        line = ("sbatch", "--parsable", "-o", str(tmp_path / "out.log"), script, *words)
        jobs.append(_run(*line, env=environment, cwd=tmp_path))
        return jobs[-1]

    yield send
    for job in jobs:
        subprocess.run(["scancel", job], capture_output=True)


def _state(job: str) -> str:
    return _run("scontrol", "show", "job", job).partition("JobState=")[2].split()[0]


def test_a_job_that_is_preempted_once_ends_with_the_bits_of_a_single_machine(
    submit: Callable[..., str],
    alone: Any,
    rows_of: Callable[[str], Any],
    root: Path,
    tmp_path: Path,
) -> None:
    job, log = submit("digits-orders", "--scale-epochs", "0.2"), tmp_path / "out.log"

    def said() -> str:
        return log.read_text() if log.exists() else ""

    wait_until(lambda: " 3/24" in said(), what="the job trains")
    # What Slurm sends to a job that it will preempt, or whose time is over.
    _run("scancel", "--signal=USR1", "--batch", job)
    wait_until(lambda: _state(job) == "PENDING", what="the job is back in the queue")
    assert "interrupted; resume with" in said()
    # Slurm would wait for two minutes before it runs it again.
    _run("scontrol", "update", f"jobid={job}", "StartTime=now")
    wait_until(lambda: _state(job) == "COMPLETED", what="the job ends", within_s=600)
    command = [
        sys.executable,
        "-m",
        "orchestrator.cli.main",
        "results",
        *STUDY,
        "--format",
        "biprop",
    ]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    listed = _run(*command, "--home", str(tmp_path / "runs"), env=environment)
    assert rows_of(listed) == alone
    assert "cells     24, 0 of them finished" in said()
    # The second time it went on.
    assert said().count("cells     24, ") == 2


def test_a_job_that_is_cancelled_does_not_come_back(
    submit: Callable[..., str], tmp_path: Path
) -> None:
    job, log = submit("digits-orders"), tmp_path / "out.log"
    wait_until(lambda: log.exists() and "slots " in log.read_text(), what="the job begins")
    _run("scancel", job)

    wait_until(lambda: _state(job) == "CANCELLED", what="the job is cancelled")
    time.sleep(20)
    assert _state(job) == "CANCELLED"
