"""Workers that are forks: a toy script in place of Ray's, and toy modules in place of torch."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.launch import forking, worker_start

SERVER = """
import socket, sys
from orchestrator.launch import forking

forking.LOADED, forking.LOADED_LAST = ("fractions",), "colorsys"
forking.serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
"""
SCRIPT = """
import json, os, signal, sys, time

print(json.dumps({
    "pid": os.getpid(),
    "group": os.getpgid(0),
    "main": __name__,
    "arguments": sys.argv[1:],
    "path": sys.path[0],
    "folder": os.getcwd(),
    "goes_first": open("/proc/self/oom_score_adj").read().strip(),
    "has": [name for name in ("fractions", "colorsys", "sched") if name in sys.modules],
    "environment": dict(os.environ),
    "waits": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
}), flush=True)
print("an error", file=sys.stderr)
while "sleep" in sys.argv:
    time.sleep(0.1)
"""
# Stands where Ray's own script is.
USUAL = """
import sys

print("as Ray does", *sys.argv[1:])
"""
PLAIN = (
    '--serialized-runtime-env-context={"command_prefix": [], "env_vars": %s, "py_executable": '
    f'"{sys.executable}", "override_worker_entrypoint": null, "java_jars": []}}'
)
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """The process that forks, with toys; it ends with the test."""
    with _serving(tmp_path, monkeypatch) as process:
        yield process
    assert process.returncode == -signal.SIGKILL
    assert worker_start.ADDRESS not in os.environ


@contextlib.contextmanager
def _serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    started: list[subprocess.Popen[bytes]] = []

    def start(listener: int, ends: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", SERVER, str(listener), str(ends)]
        started.append(
            subprocess.Popen(command, pass_fds=[listener, ends], start_new_session=True)
        )
        return started[-1]

    monkeypatch.setattr(forking, "start_server", start)
    with forking.forks_workers(folder) as pid:
        [process] = started
        assert process.pid == pid
        yield process


@pytest.fixture
def asks(tmp_path: Path) -> Iterator[Start]:
    """Starts the script that asks for a fork, as Ray's core does."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    usual = tmp_path / "usual/ray/_private/workers/setup_worker.py"
    usual.parent.mkdir(parents=True)
    for folder in usual.parents[:3]:
        (folder / "__init__.py").touch()
    usual.write_text(USUAL, encoding="utf-8")
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str, context: str = PLAIN % "{}", **environment: str
    ) -> "subprocess.Popen[str]":
        command = [sys.executable, forking.WORKER_SCRIPT, str(tmp_path / "script.py"), *arguments]
        job = {"RAY_JOB_ID": "01", "RAY_RAYLET_PID": str(os.getpid())}
        job["PYTHONPATH"] = str(tmp_path / "usual")
        started.append(
            subprocess.Popen(
                [*command, "--language=PYTHON", context],
                env={**os.environ, **job, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _told(process: "subprocess.Popen[str]") -> Mapping[str, Any]:
    assert process.stdout is not None
    told: Mapping[str, Any] = json.loads(process.stdout.readline())
    return told


def test_a_fork_is_as_a_new_process_that_has_loaded_everything(
    server: "subprocess.Popen[bytes]", asks: Start, tmp_path: Path
) -> None:
    process = asks("one", "two words", context=PLAIN % '{"ADDED": "by Ray"}', MINE="x" * 100_000)
    told = _told(process)
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("", "an error\n", 0)
    assert told["main"] == "__main__"
    assert told["arguments"] == ["one", "two words"]
    assert told["path"] == str(tmp_path)
    assert told["has"] == ["fractions", "colorsys"]
    # The user may remove the folder that the sweep was started in.
    assert told["folder"] == "/"
    # Ray has the small script go first where memory runs out; that would free nothing.
    assert told["goes_first"] == "1000"
    assert told["waits"]
    assert told["pid"] == told["group"] not in (process.pid, server.pid)
    environment = told["environment"]
    assert environment["MINE"] == "x" * 100_000
    assert (environment["ADDED"], environment["RAY_JOB_ID"]) == ("by Ray", "01")
    # Each gets its own.
    other = asks()
    assert "MINE" not in _told(other)["environment"]


def test_only_this_user_may_ask(server: "subprocess.Popen[bytes]") -> None:
    assert stat.S_IMODE(os.stat(os.environ[worker_start.ADDRESS]).st_mode) == 0o600


def test_who_asked_lives_as_long_as_the_fork(
    server: "subprocess.Popen[bytes]", asks: Start
) -> None:
    first, second = asks("sleep"), asks("sleep")
    forks = [_told(process)["pid"] for process in (first, second)]
    with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
        first.wait(0.3)
    os.kill(forks[0], signal.SIGKILL)
    # No second worker is started in its place.
    assert first.wait(30) == 0
    assert second.poll() is None
    os.kill(forks[1], signal.SIGTERM)
    assert second.wait(30) == 0


def test_a_fork_ends_with_who_asked(server: "subprocess.Popen[bytes]", asks: Start) -> None:
    process = asks("sleep")
    fork = _told(process)["pid"]
    process.kill()
    process.wait(30)
    _wait_for_the_end_of(fork)


def test_forks_outlive_the_process_that_made_them(
    server: "subprocess.Popen[bytes]", asks: Start
) -> None:
    process = asks("sleep")
    fork = _told(process)["pid"]
    server.kill()
    server.wait()
    with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
        process.wait(0.3)
    os.kill(fork, signal.SIGKILL)
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    "context",
    [
        '--serialized-runtime-env-context={"unheard_of": 1}',
        PLAIN % '{"ADDED": "$HOME"}',
        '--serialized-runtime-env-context={"command_prefix": ["nice"]}',
        '--serialized-runtime-env-context={"py_executable": "/usr/bin/other"}',
    ],
    ids=["an unknown key", "a variable within a variable", "a prefix", "another Python"],
)
def test_what_a_fork_cannot_do_is_left_to_ray(
    context: str, server: "subprocess.Popen[bytes]", asks: Start
) -> None:
    out, _ = asks("one", context=context).communicate(timeout=30)
    assert out.startswith("as Ray does ")
    assert context in out


def test_a_worker_of_another_ray_is_left_to_that_one(
    server: "subprocess.Popen[bytes]", asks: Start
) -> None:
    assert _told(asks())["has"] == ["fractions", "colorsys"]
    out, _ = asks(RAY_JOB_ID="02").communicate(timeout=30)
    assert out.startswith("as Ray does ")
    assert _told(asks())["has"] == ["fractions", "colorsys"]


@pytest.mark.parametrize("when", ["before it is asked", "while it is asked"])
def test_without_the_process_that_forks_workers_start_as_ray_starts_them(
    when: str, server: "subprocess.Popen[bytes]", asks: Start
) -> None:
    if when == "before it is asked":
        server.kill()
        server.wait()
        process = asks("one")
    else:
        server.send_signal(signal.SIGSTOP)
        process = asks("one")
        time.sleep(0.5)
        server.kill()
    out, _ = process.communicate(timeout=30)
    assert out.startswith("as Ray does ")
    assert " one " in out


def test_no_worker_starts_for_a_ray_that_is_gone(
    server: "subprocess.Popen[bytes]", asks: Start
) -> None:
    server.kill()
    server.wait()
    out, _ = asks(RAY_RAYLET_PID="1").communicate(timeout=30)
    assert out == ""


def test_what_forks_is_not_waited_for_for_ever(
    server: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_start, "PATIENCE_S", 0.3)
    server.send_signal(signal.SIGSTOP)
    address = os.environ[worker_start.ADDRESS]
    assert not worker_start.lives_as_fork(["script.py"], {}, address)


def test_who_ends_or_stops_before_it_has_asked_harms_nobody(
    asks: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = SERVER.replace("forking.serve", "forking.PATIENCE_S = 0.3\nforking.serve")
    monkeypatch.setattr(sys.modules[__name__], "SERVER", hasty)
    with _serving(tmp_path, monkeypatch) as server, contextlib.ExitStack() as stopped:
        for number in range(6):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(os.environ[worker_start.ADDRESS])
                connection.send(b"{"[: number % 2])
                if number >= 4:
                    stopped.enter_context(connection.dup())
        assert _told(asks())["main"] == "__main__"
        assert server.poll() is None


@pytest.mark.parametrize(
    ("before", "is_whole"),
    [
        ("forking._load_last()", True),
        ("import orchestrator.launch.tuning", False),  # its forks would name objects alike
        ("forking._load_last(); torch._C._cuda_getDeviceCount()", False),  # as without a GPU
    ],
)
def test_it_is_known_whether_forks_are_as_good_as_new_processes(
    before: str, is_whole: bool
) -> None:
    code = f"""
        import sys
        import ray
        import torch
        from orchestrator.launch import forking

        try:
            {before}
        except RuntimeError:
            pass
        assert ray.actor.ActorClassID is ray.ActorClassID
        assert "ray.tune" in sys.modules
        print(forking._makes_whole_forks())
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{is_whole}\n"


def test_where_forks_would_not_be_whole_workers_start_as_ray_starts_them(
    asks: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = "import ray; ray.WorkerID.from_random()\n"
    monkeypatch.setattr(sys.modules[__name__], "SERVER", drawn + SERVER)
    with _serving(tmp_path, monkeypatch):
        out, _ = asks().communicate(timeout=30)
    assert out.startswith("as Ray does ")


def test_the_process_that_forks_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    code = """
        import os, pathlib, sys
        from orchestrator.launch import forking

        with forking.forks_workers(pathlib.Path(sys.argv[1])) as pid:
            print(pid, flush=True)
            os.kill(os.getpid(), 9)
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    _wait_for_the_end_of(int(done.stdout))


def _wait_for_the_end_of(pid: int) -> None:
    end = time.monotonic() + 60
    # A zombie has no command line.
    while (path := Path(f"/proc/{pid}/cmdline")).exists() and path.read_bytes():
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.05)


def test_modules_in_the_users_folder_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("fcntl", "pandas", "torch"):
        (tmp_path / f"{name}.py").write_text("open('loaded', 'w').close()", encoding="utf-8")
    (tmp_path / "private").mkdir()
    with forking.forks_workers(tmp_path / "private") as pid:
        end = time.monotonic() + 60
        while "/torch/lib/" not in Path(f"/proc/{pid}/maps").read_text():
            assert not (tmp_path / "loaded").exists()
            assert time.monotonic() < end, "nothing is loaded"
            time.sleep(0.05)
    assert not (tmp_path / "loaded").exists()


def test_what_forks_hears_signals_that_whoever_started_it_deferred(tmp_path: Path) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        with forking.forks_workers(tmp_path) as pid:
            end = time.monotonic() + 60
            while _is_blocked(pid, signal.SIGTERM):
                assert time.monotonic() < end, "it is deferred"
                time.sleep(0.05)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _is_blocked(pid: int, number: int) -> bool:
    [blocked] = [
        line.split()[1]
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("SigBlk")
    ]
    return bool(int(blocked, 16) & 1 << number - 1)
