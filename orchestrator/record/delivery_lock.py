"""One deliverer at a time: whoever brings a journal to MLflow holds it, until it ends or dies.

Two at once would both find no run of a cell, and make one each. Who trains is another matter, see
`orchestrator.execution.leases`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import OrchestratorError


class InUseError(OrchestratorError):
    """Another process is at it."""


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """Holds a journal for this process; the hold of a process that was killed ends with it.

    Args:
        journal: The journal's file; the lock lies beside it. On file systems without locks
            nothing is held.

    Raises:
        InUseError: If another process holds it.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    # Not inherited by the processes that this one starts: none of them outlives it as a holder.
    descriptor = os.open(journal.with_name(f"{journal.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, journal)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, journal: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode() or "unknown"
        what = f"{journal.parent} is in use by another bnn-orchestrate (process {holder})"
        raise InUseError(f"{what}; wait for its end, or take another --home") from None
    except OSError:
        return
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
