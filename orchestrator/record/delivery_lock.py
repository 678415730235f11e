"""The lock that lets only one process at a time deliver a journal to MLflow.

Two deliverers would create two runs for one cell. For who trains a cell, see
`orchestrator.execution.leases`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import OrchestratorError
from trainers.locks import lock


class InUseError(OrchestratorError):
    """Another process holds the journal, the search or the study."""


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """Locks a journal for this process; the lock ends with the process, even if it is killed.

    Args:
        journal: The journal's file; the lock file is next to it. On file systems without locks,
            this does nothing.

    Raises:
        InUseError: If another process holds it.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    # Child processes do not inherit the descriptor, so none can keep the lock.
    descriptor = os.open(journal.with_name(f"{journal.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, journal)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, journal: Path) -> None:
    is_locked = lock(descriptor)
    if is_locked is False:
        pid = os.read(descriptor, 20).decode()
        who = f"process {pid}" if pid.isdecimal() else "unknown process"
        what = f"{journal.parent} is in use by another bnn-orchestrate ({who})"
        raise InUseError(f"{what}; wait for its end, or use another --home")
    if is_locked:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
