"""Memory that freed blocks still hold, given back to the system between the cells of a worker."""

import contextlib
import ctypes
import os
from pathlib import Path

GROWN = 2**30
"""Bytes that a worker may have grown by since it was last trimmed. Each kind of network leaves
other gaps between its blocks, so that without trimming twenty kinds make a worker several times as
large as any of them. To trim takes a tenth of a second; the next cell touches its pages anew."""

STATM = Path("/proc/self/statm")


class Trimming:
    """Gives memory back once the process has grown.

    Args:
        grown: Bytes by which it may grow.
    """

    def __init__(self, grown: int = GROWN) -> None:
        self._grown = grown
        self._before: int | None = None

    def trim(self) -> None:
        """Gives freed memory back if the process has grown since the last time; glibc only."""
        now = resident()
        if self._before is None:
            self._before = now
        elif now - self._before > self._grown:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)
            self._before = resident()


def resident() -> int:
    """Bytes of memory that this process has now; 0 where Linux's /proc is missing."""
    try:
        pages = STATM.read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
