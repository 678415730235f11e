"""Locks between processes: one has it, and it ends with that process."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from trainers.locks import lock

HOLDER = """\
import os, sys, time
from trainers.locks import lock
print(lock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)), flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], IO[str]]]:
    """Opens the file once more."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(path.open("a"))


def test_one_has_it_until_the_file_is_closed(opened: Callable[[], IO[str]]) -> None:
    ours, theirs = opened(), opened()
    assert lock(ours.fileno()) is True
    assert lock(ours.fileno()) is True
    assert lock(theirs.fileno()) is False
    ours.close()
    assert lock(theirs.fileno()) is True


def test_one_that_waits_has_it_next(opened: Callable[[], IO[str]]) -> None:
    ours, theirs = opened(), opened()
    assert lock(ours.fileno()) is True
    threading.Timer(0.2, ours.close).start()
    began = time.monotonic()
    assert lock(theirs.fileno(), wait=True) is True
    assert time.monotonic() - began >= 0.1


def test_a_file_system_without_locks_keeps_nobody_out(
    opened: Callable[[], IO[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    for wait in (False, True):
        assert lock(opened().fileno(), wait=wait) is None
        assert lock(opened().fileno(), wait=wait) is None


def test_a_process_that_is_started_does_not_keep_it(opened: Callable[[], IO[str]]) -> None:
    ours, theirs = opened(), opened()
    assert lock(ours.fileno()) is True
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, close_fds=False) as child:
        ours.close()
        # The system may close the child's copy a moment after the child has begun.
        assert lock(theirs.fileno(), wait=True) is True
        assert child.poll() is None
        child.communicate(b"\n")


@pytest.mark.slow
def test_it_ends_with_a_process_that_is_killed(path: Path, opened: Callable[[], IO[str]]) -> None:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert lock(opened().fileno()) is False
        process.kill()
        process.wait(timeout=30)
    assert lock(opened().fileno()) is True
