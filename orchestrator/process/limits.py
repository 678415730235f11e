"""The limits that a shell or batch system sets for this process (`ulimit`)."""

import os
import resource

from orchestrator.errors import OrchestratorError

FILES, FILES_A_CPU = 128, 8
"""File handles that one of Ray's processes needs, and more for each CPU's worker."""
ADDRESSES = 7 * 2**30
"""Bytes of addresses that torch and Ray reserve, far more than they use; with 5 GB, Ray dies."""


class LimitError(OrchestratorError):
    """A limit of this process is too low to train."""


def raise_limits() -> None:
    """Raises this process's limits as far as it needs and may; for a command that trains.

    Raises:
        LimitError: If a limit is too low, and cannot be raised.
    """
    _raise_files(FILES + FILES_A_CPU * len(os.sched_getaffinity(0)))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft >= ADDRESSES:
        return
    if hard != resource.RLIM_INFINITY and hard < ADDRESSES:
        what = f"this process may use {hard / 2**30:.1f} GiB of addresses (ulimit -v)"
        raise LimitError(f"{what}, and training needs {ADDRESSES >> 30}; ulimit -v unlimited")
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _raise_files(fewest: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= fewest:
        return
    most = fewest if hard == resource.RLIM_INFINITY else min(fewest, hard)
    if most < FILES:
        what = f"this process may open {hard} files (ulimit -n), and training needs {FILES}"
        raise LimitError(f"{what}; raise that limit, or ask your administrator")
    # With fewer than for all CPUs, fewer trials at once still work.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, soft), hard))
