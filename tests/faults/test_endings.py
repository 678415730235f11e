"""Sweeps and pages that are ended from outside: what they record, their code, and what stays."""

import contextlib
import fcntl
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import termios
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world.scale import FULL, in_full

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "orchestrator.cli.main"]
ENDS_WITHIN_S = 40


def _wait_until(condition: Callable[[], object], *, within_s: float = 90) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def _rows(user: Any) -> int:
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{user.home}/journal.db?mode=ro", uri=True)
        ) as journal:
            return int(journal.execute("SELECT COUNT(*) FROM points").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def marked(user: Any, own_workers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A user whose processes, and all that they start, can be found by their environment.

    Whatever a test that failed has left running ends with it.
    """
    started: list[Any] = []
    starts = user.starts

    def start(*arguments: str) -> Any:
        started.append(starts(*arguments))
        return started[-1]

    user.environment["A_MARK"] = uuid.uuid4().hex
    monkeypatch.setattr(user, "starts", start)
    yield user
    for pid in (*(one.pid for one in started if one.poll() is None), *_family(user)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _family(user: Any) -> dict[int, str]:
    """What a user's commands have started and still runs, with its command line."""
    mark, found = user.environment["A_MARK"].encode(), {}
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdecimal() and mark in (path / "environ").read_bytes():
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


@pytest.fixture
def long(small: str) -> str:
    text = small.replace("epochs: 4", "epochs: 3000")
    return text.replace("epochs_per_layer: 2", "epochs_per_layer: 1500")


def _states(user: Any) -> set[tuple[str, str]]:
    return {(cell.status, cell.tags["bnn.state"]) for cell in user.cells()}


@pytest.mark.parametrize(
    ("number", "to_group", "code"),
    [
        (signal.SIGTERM, True, 143),
        in_full(signal.SIGUSR1, False, 138),
        in_full(signal.SIGTERM, False, 143),
        in_full(signal.SIGHUP, True, 129),
        in_full(signal.SIGQUIT, True, 131),
    ],
)
def test_a_signal_while_cells_train_is_recorded_and_leaves_nothing(
    number: int, to_group: bool, code: int, marked: Any, long: str
) -> None:
    process = marked.starts("sweep", marked.writes(long))
    _wait_until(lambda: _rows(marked) > 100)
    (os.killpg if to_group else os.kill)(process.pid, number)
    out, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == code, out
    assert "Traceback" not in out
    assert "interrupted; resume with: bnn-orchestrate sweep ./small.yaml" in out
    assert _states(marked) == {("KILLED", "interrupted")}
    _wait_until(lambda: not _family(marked), within_s=10)


@pytest.mark.parametrize(
    "number", [in_full(signal.SIGTERM), in_full(signal.SIGINT), in_full(signal.SIGHUP)]
)
def test_a_signal_while_ray_starts_ends_what_has_started(
    number: int, marked: Any, long: str
) -> None:
    process = marked.starts("sweep", marked.writes(long))
    _wait_until(lambda: any("gcs_server" in line for line in _family(marked).values()))
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 128 + number, out
    assert "Traceback" not in out
    _wait_until(lambda: not _family(marked), within_s=10)


def test_after_sigkill_nothing_of_ray_stays(marked: Any, long: str) -> None:
    process = marked.starts("sweep", marked.writes(long))
    _wait_until(lambda: _rows(marked) > 100)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=ENDS_WITHIN_S)
    _wait_until(lambda: not _family(marked), within_s=15)


def test_a_signal_while_results_are_delivered_at_the_end_loses_none(
    marked: Any, small: str
) -> None:
    # A server that takes connections, and answers nothing.
    with socket.create_server(("127.0.0.1", 0)) as server:
        marked.environment["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "2"
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = marked.starts("sweep", marked.writes(small), "--tracking-uri", uri)

        def is_ray_up() -> bool:
            return any("gcs_server" in line for line in _family(marked).values())

        _wait_until(is_ray_up)
        _wait_until(lambda: not is_ray_up())
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 143, out
    assert "interrupted by SIGTERM; finished cells are kept, the same command resumes" in out
    assert "Traceback" not in out
    assert not _family(marked)
    [journal] = marked.home.glob("journal-*.db")
    with contextlib.closing(sqlite3.connect(journal)) as rows:
        assert set(rows.execute("SELECT state FROM cells")) == {("finished",)}


@pytest.mark.skipif(not FULL, reason="waits for long: only with BNN_FAULTS=full")
def test_a_sweep_that_was_stopped_for_a_while_goes_on(marked: Any, small: str) -> None:
    text = small.replace("epochs: 4", "epochs: 100")
    process = marked.starts("sweep", marked.writes(text))
    _wait_until(lambda: _rows(marked) > 10)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert _states(marked) == {("FINISHED", "finished")}


def test_a_terminal_that_closes_ends_the_sweep_as_interrupted(marked: Any, long: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "sweep", marked.writes(long)],
        cwd=marked.folder,
        env=marked.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # It becomes the terminal of the new session.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    os.set_blocking(ours, False)

    def trains() -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(ours, 2**16)
        return _rows(marked) > 100

    _wait_until(trains)
    os.close(ours)
    assert process.wait(ENDS_WITHIN_S) == 129
    assert _states(marked) == {("KILLED", "interrupted")}
    _wait_until(lambda: not _family(marked), within_s=10)


def test_a_reader_that_goes_away_and_a_folder_that_is_removed_end_no_sweep(
    marked: Any, small: str
) -> None:
    path = marked.folder / "small.yaml"
    marked.writes(small.replace("epochs: 4", "epochs: 150"))
    scratch = marked.folder / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [*COMMAND, "sweep", str(path), "--home", str(marked.home), "--concurrency", "1"],
        cwd=scratch,
        env=marked.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _wait_until(lambda: _rows(marked) > 10)
    shutil.rmtree(scratch)
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(120) == 0, err
    assert "Traceback" not in err
    assert _states(marked) == {("FINISHED", "finished")}
    assert len(marked.cells()) == 3


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    """A folder for PATH, in which the command has its name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "bnn-orchestrate"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    script.chmod(0o755)
    return folder


def test_every_command_that_a_sweep_prints_works_as_it_is_printed(
    marked: Any, small: str, typed: Path
) -> None:
    environment = {**marked.environment, "PATH": f"{typed}:{os.environ['PATH']}"}
    marked.writes(small, "a study.yaml")
    flags = ("--home", "a home", "--concurrency", "1")
    process = marked.starts("sweep", "./a study.yaml", *flags)
    marked.home = marked.folder / "a home"
    _wait_until(lambda: _rows(marked) > 0)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=ENDS_WITHIN_S)
    (again,) = re.findall(r"resume with: (bnn-orchestrate .*)", out)

    def types(line: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=marked.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    out, _ = types(again).communicate(timeout=120)
    assert "validation error" in out or "nothing left to do" in out
    assert _states(marked) == {("FINISHED", "finished")}
    (compare,) = re.findall(r"compare   (bnn-orchestrate .*)", out)
    pages = types(compare)
    assert pages.stdout is not None
    try:
        # A slow machine says before what it waits for.
        said = next(line for line in pages.stdout if not line.startswith("waiting for"))
        assert said.startswith("compare   http://127.0.0.1:5000/#/experiments/")
        pages.send_signal(signal.SIGTERM)
        assert pages.wait(ENDS_WITHIN_S) == 143
    finally:
        # A test that fails must not wait for pages that nobody ends.
        pages.kill()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        (signal.SIGKILL, -signal.SIGKILL),
        in_full(signal.SIGINT, 0),
        in_full(signal.SIGHUP, 129),
    ],
)
def test_pages_that_are_ended_leave_no_server(
    number: int, code: int, marked: Any, empty_database: Path, free_port: int
) -> None:
    marked.home.mkdir()
    shutil.copy(empty_database, marked.home / "mlflow.db")
    process = marked.starts("ui", "--port", str(free_port))
    _wait_until(lambda: _answers(free_port))
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == code, out
    assert "Traceback" not in out
    _wait_until(lambda: not _family(marked), within_s=10)
    assert not _answers(free_port)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
