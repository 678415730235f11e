"""Work that is repeated in a thread of its own, so that it is done whatever else waits or is busy.

What a process holds for itself, it renews like this: neither a slow server, nor a main thread with
much to do, shall lose it.
"""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.masking import masked
from orchestrator.process import signals

log = logging.getLogger(__name__)

END_S = 1.0
"""Seconds that the end of the block waits for a beat that has begun."""


@contextmanager
def beating(name: str, beat: Callable[[], None], *, every_s: float) -> Iterator[None]:
    """Repeats something for the duration of a block.

    Args:
        name: What is renewed, for the log.
        beat: Called first after `every_s`. What it raises is logged, and the next beat comes in
            its time. One that has begun may end after the block.
        every_s: Seconds between the end of one beat and the next.
    """
    ended = threading.Event()

    def repeat() -> None:
        # Signals are for the main thread, which may hold them back for a while.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals.ALL)
        is_told = False
        while not ended.wait(every_s):
            try:
                beat()
                is_told = False
            # A full disk or a server that is away ends nothing; it may be over with the next beat.
            except Exception as error:
                level = logging.INFO if is_told else logging.WARNING
                log.log(level, "%s cannot be renewed: %s", name, masked(str(error)))
                is_told = True

    thread = threading.Thread(target=repeat, name=f"heartbeat: {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(END_S)
