"""The script that Ray starts for each worker: it asks for a fork of a process that is loaded.

It imports nothing of this project, so it starts at once. It lives as long as the fork, and the
fork as long as it, because Ray takes it for the worker: either may be killed to end both.
"""

import contextlib
import json
import os
import runpy
import socket
import sys

ADDRESS = "BNN_FORKS"
"""Name in the environment: the socket of the process that forks."""
RAYLET = "RAY_RAYLET_PID"
PATIENCE_S = 60.0
"""Seconds in which a fork must have begun; loading takes a few."""
PART_BYTES = 2**16
STREAMS = (0, 1, 2)
NUM_FILES = len(STREAMS) + 1
"""The streams of the worker, and what closes when this process ends."""
HAS_BEGUN = b"1"
CONTEXT, LANGUAGE = "--serialized-runtime-env-context=", "--language="


def worker_of(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """A worker's script with its arguments, and what is added to its environment.

    Args:
        arguments: What Ray gives to its own script.

    Returns:
        No script if Ray's would do more than set the environment and start the worker.
    """
    script = [part for part in arguments if not part.startswith((CONTEXT, LANGUAGE))]
    told = [part.removeprefix(CONTEXT) for part in arguments if part.startswith(CONTEXT)]
    context = {
        name: value for text in told for name, value in json.loads(text or "{}").items() if value
    }
    added = context.pop("env_vars", {})
    is_plain = (
        f"{LANGUAGE}PYTHON" in arguments
        # Python's own options come before the script.
        and not script[0].startswith("-")
        and context.pop("py_executable", sys.executable) == sys.executable
        and not context
        # Ray replaces names of variables by their values.
        and not any("$" in value for value in added.values())
    )
    return (script, added) if is_plain else ([], {})


def lives_as_fork(arguments: list[str], added: dict[str, str], address: str) -> bool:
    """Asks for a fork and waits for its end; whether there was one.

    Args:
        arguments: The worker's script and its arguments.
        added: What is added to the environment.
        address: Path of the socket.
    """
    request = {"arguments": arguments, "environment": {**os.environ, **added}}
    message = memoryview(json.dumps(request).encode())
    closes, stays_open = os.pipe()
    with open(stays_open, "wb"), socket.socket(socket.AF_UNIX) as fork:
        fork.settimeout(PATIENCE_S)
        try:
            fork.connect(address)
            sent = socket.send_fds(fork, [message[:PART_BYTES]], [*STREAMS, closes])
            fork.sendall(message[sent:])
            fork.shutdown(socket.SHUT_WR)
            has_begun = fork.recv(1) == HAS_BEGUN
        except OSError:
            return False
        finally:
            os.close(closes)
        fork.settimeout(None)
        # Killed, it may reset the socket.
        with contextlib.suppress(OSError):
            fork.recv(1)
        return has_begun


def is_wanted() -> bool:
    """Whether the process of Ray that started this one still runs."""
    return os.environ.get(RAYLET, str(os.getppid())) == str(os.getppid())


if __name__ == "__main__":
    _script, _added = worker_of(sys.argv[1:])
    _is_over = bool(_script) and lives_as_fork(_script, _added, os.environ.get(ADDRESS, ""))
    if not _is_over and is_wanted():
        runpy.run_module("ray._private.workers.setup_worker", run_name="__main__", alter_sys=True)
