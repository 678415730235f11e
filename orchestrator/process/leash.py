"""Ends processes together with the one that started them, however that one ends.

The starter holds one end of a pipe. At the other end this file runs as a script, in a session of
its own, which no signal to the starter's group or terminal reaches. When the starter is gone, even
by SIGKILL, the pipe closes. The script imports nothing of this project, so it starts at once.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL."""
_RUN, _WATCH = "run", "watch"


@contextmanager
def leashed(
    command: Sequence[str], *, environment: Mapping[str, str], output: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a command in a session of its own, which ends with the block or with this process.

    Args:
        command: The program and its arguments.
        environment: All of its environment.
        output: Where it writes, as `subprocess` takes it; None: where this process does.

    Yields:
        A process with the command's exit code.
    """
    with _script(_RUN, command, environment=environment, output=output) as process:
        yield process


@contextmanager
def ends_groups(groups: Sequence[int]) -> Iterator[None]:
    """Kills process groups at the end of the block, or when this process is gone.

    Args:
        groups: Their ids; what started them may have ended them before.
    """
    numbers = [str(group) for group in groups]
    with _script(_WATCH, numbers, environment=os.environ, output=subprocess.DEVNULL):
        yield


@contextmanager
def _script(
    what: str, arguments: Sequence[str], *, environment: Mapping[str, str], output: int | None
) -> Iterator["subprocess.Popen[bytes]"]:
    theirs, ours = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, what, str(theirs), *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[theirs],
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        yield process
    finally:
        os.close(ours)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2 * GRACE_S)


def _run(pipe: int, command: Sequence[str]) -> int:
    process = subprocess.Popen(command)
    ended, ends = os.pipe()

    def wait() -> None:
        process.wait()
        os.close(ends)

    threading.Thread(target=wait, daemon=True).start()
    is_gone = pipe in _ready([pipe, ended])
    # Only now: a process that it starts would inherit this.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    if not is_gone:
        return process.returncode
    _ready([ended], within_s=GRACE_S)
    # This process too.
    os.killpg(0, signal.SIGKILL)
    return 0


def _ready(pipes: Sequence[int], *, within_s: float | None = None) -> set[int]:
    """Those of which the other end is closed; waits for one of them."""
    # Not `select.select`, which refuses numbers above 1023: the starter may have many open files.
    poll = select.poll()
    for pipe in pipes:
        poll.register(pipe, select.POLLIN)
    return {pipe for pipe, _ in poll.poll(None if within_s is None else 1000 * within_s)}


def _watch(pipe: int, groups: Sequence[str]) -> int:
    while os.read(pipe, 1):
        pass
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(int(group), signal.SIGKILL)
    return 0


if __name__ == "__main__":
    _, _what, _pipe, *_arguments = sys.argv
    sys.exit({_RUN: _run, _WATCH: _watch}[_what](int(_pipe), _arguments))
