"""Forks Ray's workers off one process that has loaded what a cell needs.

A worker that Ray starts loads torch, Ray and this project by itself: seconds of a core, and
hundreds of megabytes, for each of them. Here one process loads them once, while Ray starts, and
each worker is a fork of it, ready in a moment, which shares that memory. It neither trains nor
touches a GPU, so a fork of it is as good as a new process.

Ray goes on deciding which workers there are: instead of its own script, it starts the script
`worker_start`, which asks this process for a fork; both end together. Should this process be gone,
the script starts a worker as Ray does.
"""

import contextlib
import fcntl
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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from orchestrator.launch import worker_start
from orchestrator.process import signals
from orchestrator.process.foothold import leave_folder
from orchestrator.process.gc_pause import uncollected

LOADED = ("orchestrator.launch.worker", "pandas")
"""Modules that a worker has from the beginning, with what they import; they know no Ray."""
LOADED_LAST = "orchestrator.launch.tuning"
"""The module that brings Ray. Ray's core reads its settings when it is loaded, so that waits for
the first worker."""
SETTINGS = ("RAY_JOB_ID", worker_start.RAYLET)
"""Those of the settings that tell a worker who it belongs to."""
PATIENCE_S = 10.0
"""Seconds in which a script must have said what it asks for."""
FIRST_TO_GO = "1000"
WORKER_SCRIPT = worker_start.__file__


@contextlib.contextmanager
def forks_workers(folder: Path) -> Iterator[int]:
    """Within this context, what starts `WORKER_SCRIPT` with this environment gets a fork.

    Args:
        folder: Where a socket is made; nobody else may enter it.

    Yields:
        The process that forks. It ends with this context, or with this process; the forks belong
        to Ray, and end with it.
    """
    path = folder / "forks"
    theirs, ours = os.pipe()
    with open(ours, "wb"):
        with open(theirs, "rb"), socket.socket(socket.AF_UNIX) as listener:
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(str(path))
            listener.listen()
            server = start_server(listener.fileno(), theirs)
        os.environ[worker_start.ADDRESS] = str(path)
        try:
            yield server.pid
        finally:
            del os.environ[worker_start.ADDRESS]
            server.kill()
            server.wait()


def start_server(listener: int, ends: int) -> "subprocess.Popen[bytes]":
    """Starts the process that forks, in a session of its own.

    Args:
        listener: A socket that listens.
        ends: The process ends when the other end of this pipe is closed.
    """
    return subprocess.Popen(
        # A module in the user's folder may have the name of one that is loaded here.
        [sys.executable, "-P", "-m", __name__, str(listener), str(ends)],
        pass_fds=[listener, ends],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def serve(listener: socket.socket, ends: int) -> None:
    """Forks a worker off for each that connects, until the other end of a pipe is closed."""
    # Whoever started this may have deferred them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.ENDS)
    leave_folder()
    with uncollected():
        for module in LOADED:
            importlib.import_module(module)
    # Else each worker's collections look at all of it again, and so copy it.
    gc.freeze()
    # Nobody waits for workers: who asked for one sees its socket closed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(ends, select.POLLIN)
    belongs_to: list[str | None] = []
    is_whole = False
    while True:
        ready = {file for file, _ in poll.poll()}
        if ends in ready:
            return
        asked, _ = listener.accept()
        with asked:
            request, files = _request(asked)
            environment = request.get("environment", {})
            if not belongs_to and environment:
                belongs_to = [environment.get(name) for name in SETTINGS]
                _set(environment)
                _load_last()
                is_whole = _makes_whole_forks()
                gc.freeze()
            is_ours = belongs_to == [environment.get(name) for name in SETTINGS]
            if is_whole and is_ours and os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                os.close(ends)
                _set(environment)
                _become_worker(request["arguments"], files, asked)
            for file in files:
                os.close(file)


def _load_last() -> None:
    """Loads Ray and what brings it, without a draw from the random numbers of Ray's core.

    They begin with the first draw. Forks of a process that has drawn would all name their objects
    alike, and disturb each other in the store that they share.
    """
    actor: Any = importlib.import_module("ray.actor")
    usual = actor.ActorClassID

    class Drawn:
        """What each actor class in a module of Ray's draws when the module is loaded."""

        @staticmethod
        def from_random() -> Any:
            """An id from the system's random numbers."""
            return usual(os.urandom(usual.size()))

    actor.ActorClassID = Drawn
    try:
        with uncollected():
            importlib.import_module(LOADED_LAST)
    finally:
        actor.ActorClassID = usual


def _makes_whole_forks() -> bool:
    """Whether two forks of this process name their objects differently, and may use a GPU."""
    ray: Any = importlib.import_module("ray")
    torch: Any = sys.modules.get("torch")
    names = []
    for _ in range(2):
        theirs, ours = os.pipe()
        if os.fork() == 0:
            # A process that has asked CUDA for its devices leaves its forks without them.
            if torch is None or not torch.cuda._is_in_bad_fork():
                os.write(ours, ray.WorkerID.from_random().binary())
            os._exit(0)
        os.close(ours)
        with open(theirs, "rb") as told:
            names.append(told.read())
    return names[0] != names[1] and all(names)


def _request(asked: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What a script asks for, and its files; nothing if it ends or stops before it has said so."""
    files: list[int] = []
    message = b""
    asked.settimeout(PATIENCE_S)
    try:
        while (part := socket.recv_fds(asked, worker_start.PART_BYTES, worker_start.NUM_FILES))[0]:
            message += part[0]
            files += part[1]
        return json.loads(message), files
    except (OSError, ValueError):
        return {}, files


def _set(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _become_worker(arguments: list[str], files: list[int], asked: socket.socket) -> NoReturn:
    """Runs Ray's script of a worker, as whoever asks would, to the end of either process."""
    *streams, closes = files
    for target, file in zip(worker_start.STREAMS, streams, strict=True):
        os.dup2(file, target)
        os.close(file)
    _end_with(closes)
    sys.argv = arguments
    # As Python does for a script.
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    asked.send(worker_start.HAS_BEGUN)
    # As Ray does: whoever ends the group of a worker ends no other worker.
    os.setpgid(0, 0)
    _is_first_to_go()
    # The socket stays open until this process ends.
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit()


def _is_first_to_go() -> None:
    """Has the system end this process before others where memory runs out, as Ray has it.

    Ray asks that for what it has started, which is the script alone.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")


def _end_with(pipe: int) -> None:
    """Has this process killed when the other end of a pipe is closed; at once if it is."""
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_ASYNC)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    if poll.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
