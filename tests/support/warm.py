"""The command line in processes that need not load torch, Ray and MLflow: seconds less for each.

One process loads them, and is asked for commands over a socket. It forks each off: a process in
its own session, with its own folder, environment and output, that can be killed as any other. A
second fork waits for its end and tells the code.

A process of its own forks off what would fork Ray's workers off for a command, because that must
not have loaded Ray before.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

MODULE = "orchestrator.cli.main"
LOADED = (
    "orchestrator.launch.tuning",
    "orchestrator.results.recorded_sweep",
    # Loaded by libraries when they are first used.
    "mlflow.store.tracking.sqlalchemy_store",
    "aiohttp.web",
)
SETTINGS = ("MLFLOW_", "RAY_")
"""Beginnings of names in the environment that libraries read when they are loaded."""
ASKED_LATER = ("MLFLOW_TRACKING_TOKEN",)
"""Names among them that libraries read at each request."""
OWN_WORKERS = "OWN_WORKERS"
"""With this name in the environment, a command starts what forks Ray's workers by itself."""
MOST_BYTES = 2**17


def sets_libraries(environment: Mapping[str, str]) -> bool:
    """Whether a command with this environment has to load the libraries itself."""
    return any(name.startswith(SETTINGS) and name not in ASKED_LATER for name in environment)


def plain_environment() -> dict[str, str]:
    """The environment of this process without what would change a command, but for its data."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*SETTINGS, "BNN_")) or name == "BNN_DATA_DIR"
    }


class Command:
    """A command that runs: what tests need of `subprocess.Popen`, under the same names.

    Args:
        told: Where its process id is told, and its exit code in the end.
        outputs: Files of what it says, and of its errors if they go elsewhere.
    """

    def __init__(self, told: socket.socket, outputs: Sequence[int]) -> None:
        self._told, self._outputs = told, outputs
        self._said: list[str] = []
        self.returncode: int | None = None
        self.pid = int(told.recv(64))

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._end(within_s=0)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it said, once it has ended; errors are empty where they go to the same file.

        Raises:
            subprocess.TimeoutExpired: If it has not ended by then.
        """
        if self._end(within_s=timeout) is None:
            raise subprocess.TimeoutExpired(MODULE, timeout or 0)
        if not self._said:
            self._said = [_content(file) for file in self._outputs]
        return self._said[0], "".join(self._said[1:])

    def _end(self, *, within_s: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._told, select.POLLIN)
            if poll.poll(None if within_s is None else 1000 * within_s):
                self.returncode = int(self._told.recv(64))
                self._told.close()
        return self.returncode


def _content(file: int) -> str:
    """All that was written to a file, which is closed."""
    with open(file, "rb") as content:
        content.seek(0)
        return content.read().decode()


def _nameless_file() -> int:
    file, path = tempfile.mkstemp()
    os.unlink(path)
    return file


def start(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    apart: bool,
) -> Command:
    """Starts a command.

    Args:
        arguments: As typed.
        folder: Where.
        environment: All of it.
        apart: Keep errors apart from what else it says.
    """
    request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
    outputs = [_nameless_file() for _ in range(1 + apart)]
    ours, theirs = _channel()
    with theirs:
        descriptors = [theirs.fileno(), outputs[0], outputs[-1]]
        socket.send_fds(_server()[0], [json.dumps(request).encode()], descriptors)
    return Command(ours, outputs)


def _channel() -> tuple[socket.socket, socket.socket]:
    """Two ends between which messages keep their bounds."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@cache
def _server() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """Where to ask for commands; behind it the process that has loaded everything.

    It ends with this process.
    """
    ours, theirs = _channel()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env=plain_environment(),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours, process


def _serve(requests: socket.socket) -> None:
    """Forks commands off until nobody is left to ask for one."""
    before = dict(os.environ)
    forking = importlib.import_module("orchestrator.launch.forking")
    for module in forking.LOADED:
        importlib.import_module(module)
    ours, theirs = _channel()
    if os.fork() == 0:
        requests.close()
        ours.close()
        _until_nobody_asks(theirs, lambda message, *files: _fork_workers(forking.serve, *files))
        os._exit(0)
    theirs.close()
    for module in LOADED:
        importlib.import_module(module)
    # What libraries and ours put there when they are imported.
    put = {name: value for name, value in os.environ.items() if before.get(name) != value}

    def attend(message: bytes, *files: int) -> None:
        requests.close()
        _attend(json.loads(message), put, *files, asks=ours)

    _until_nobody_asks(requests, attend)


def _until_nobody_asks(requests: socket.socket, answer: Callable[..., object]) -> None:
    """Answers each request, with the three files that come with it, in a fork of its own."""
    # Else each fork's collections look at all of it again, and so copy it.
    gc.freeze()
    # Who waits for a command is waited for by nobody.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not message:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            answer(message, *descriptors)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_workers(
    serve: Callable[[socket.socket, int], None], listener: int, ends: int, told: int
) -> None:
    """What forks Ray's workers off, in a session of its own."""
    os.setsid()
    os.write(told, str(os.getpid()).encode())
    os.close(told)
    serve(socket.socket(fileno=listener), ends)


class Loaded:
    """What forks workers off: what is used of `subprocess.Popen`.

    Args:
        asks: Where to ask for it.
        listener: As for `orchestrator.launch.forking.start_server`.
        ends: As there.
    """

    def __init__(self, asks: socket.socket, listener: int, ends: int) -> None:
        told, tells = _channel()
        with told, tells:
            socket.send_fds(asks, [b"workers"], [listener, ends, tells.fileno()])
            self.pid = int(told.recv(64))

    def kill(self) -> None:
        """Ends it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Somebody else waits for it."""


def _attend(
    request: Mapping[str, Any],
    put: Mapping[str, str],
    told: int,
    out: int,
    err: int,
    *,
    asks: socket.socket,
) -> NoReturn:
    """Forks a command off and tells of its end."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(put | request["environment"])
    for file in (out, err):
        os.close(file)
    if pid == 0:
        os.close(told)
        if OWN_WORKERS not in request["environment"]:
            forking = importlib.import_module("orchestrator.launch.forking")
            forking.start_server = lambda *files: Loaded(asks, *files)
        _become(request["arguments"])
    os.write(told, str(pid).encode())
    _, status = os.waitpid(pid, 0)
    os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(arguments: Sequence[str]) -> NoReturn:
    """Runs the command as `python -m` does, to the end of this process."""
    sys.path[0] = os.getcwd()
    sys.argv = [MODULE, *arguments]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
