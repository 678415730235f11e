"""Says what a command waits for, once it has waited for a while."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

SAID_AFTER_S = 3.0

_say: Callable[[str], None] = log.info
_of_thread = threading.local()


@dataclass(slots=True)
class _Wait:
    what: str
    is_said: bool = False


@contextmanager
def told_by(say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, `say` is called with each line; else it goes to the log.

    Args:
        say: Called in a thread of its own.
    """
    global _say
    before, _say = _say, say
    try:
        yield
    finally:
        _say = before


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Says what is waited for if the block takes more than `SAID_AFTER_S`.

    Of blocks within each other the innermost is said, and each one once.

    Args:
        what: As in `waiting for Ray to start`.
    """
    waits: list[_Wait] = _of_thread.__dict__.setdefault("waits", [])
    waits.append(_Wait(what))
    timer = threading.Timer(SAID_AFTER_S, _tell, (waits,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        waits.pop()


def _tell(waits: list[_Wait]) -> None:
    if waits and not (wait := waits[-1]).is_said:
        wait.is_said = True
        _say(f"waiting for {wait.what}")
