"""Memory that a trial frees and takes again, kept by the process meanwhile."""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""The parameters of glibc's mallopt."""
MOST = 2**31 - 1
USUAL_MMAP_MAX = 65536
USUAL_MMAP_THRESHOLD = 32 * 2**20
"""What glibc's own threshold comes to, once a process has freed blocks of this size."""


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Within the block, freed memory stays with the process, for the next tensor of its size.

    glibc gives blocks of 32 MiB or more back to the system at once, and each page of the next one
    is then made anew: a fifth of the time of a network whose activations are so large. Afterwards
    what is freed goes back as usual; what was freed within may stay for the next trial. Outside of
    the main thread, blocks of 64 MiB or more are given back all the same. Where there is no glibc
    nothing changes.
    """
    mallopt = _mallopt()
    if mallopt is None:
        yield
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, MOST)
    try:
        yield
    finally:
        mallopt(MMAP_THRESHOLD, USUAL_MMAP_THRESHOLD)
        mallopt(MMAP_MAX, USUAL_MMAP_MAX)
        mallopt(TRIM_THRESHOLD, 2 * USUAL_MMAP_THRESHOLD)


def _mallopt() -> Callable[[int, int], int] | None:
    with contextlib.suppress(OSError, AttributeError):
        found: Callable[[int, int], int] = ctypes.CDLL(None).mallopt
        return found
    return None
