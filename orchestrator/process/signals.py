"""The signals that end a command: which came first, and the exit code that tells it.

Outside of training, each of them raises KeyboardInterrupt, so that every `finally` runs. While Ray
Tune runs, `orchestrator.launch.tuning` handles them.
"""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

WARNINGS = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""Ctrl-C, and what batch systems send some time before they end a job: finish the epoch."""
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU)
"""Ends now: the system may follow with SIGKILL."""
ALL = (*WARNINGS, *ENDS)
AGAIN_S = 1.0
"""Seconds within which a further signal does not interrupt what the first one began: a terminal
that closes, and a shell that ends, each send their own."""

_heard: list[int] = []


def heard() -> int | None:
    """The first signal that asked this command to end; None: none has."""
    return _heard[0] if _heard else None


def exit_code() -> int:
    """The exit code of a command that a signal ended: 128 and its number; SIGINT if unknown."""
    return 128 + (heard() or signal.SIGINT)


@contextmanager
def raising() -> Iterator[None]:
    """Within the block of a whole command, each signal raises KeyboardInterrupt."""
    _heard.clear()
    raised_at = -AGAIN_S

    def interrupt(number: int) -> None:
        nonlocal raised_at
        if time.monotonic() - raised_at >= AGAIN_S:
            raised_at = time.monotonic()
            raise KeyboardInterrupt

    with handled_by(interrupt):
        yield


@contextmanager
def handled_by(handle: Callable[[int], None]) -> Iterator[None]:
    """Within the block, signals call `handle` with their number; only a main thread hears them.

    SIGHUP stays ignored if it was, as `nohup` asks for.
    """

    def hear(number: int, frame: object) -> None:
        _heard.append(number)
        handle(number)

    with _handlers(hear):
        yield


@contextmanager
def deferred(*, drop: bool = False, but: Collection[int] = ()) -> Iterator[None]:
    """Signals that arrive within the block act at its end, as they would have before it.

    Args:
        drop: They do nothing if another one came before the block.
        but: Those that act at once all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    drop = drop and heard() is not None
    # Blocked too, because a library may set handlers of its own in C.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        with _handlers(lambda number, frame: came.append(number), but=but):
            yield
    finally:
        while (pending := signal.sigtimedwait(ENDS, 0)) is not None:
            came.append(pending.si_signo)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if came and not drop:
            signal.raise_signal(came[0])


def set_again() -> None:
    """Sets the current handlers once more, which a library may have removed in C."""
    if threading.current_thread() is threading.main_thread():
        for number in ALL:
            if (handler := signal.getsignal(number)) is not None:
                signal.signal(number, handler)


@contextmanager
def _handlers(
    handler: Callable[[int, object], object], *, but: Collection[int] = ()
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [
        number
        for number in ALL
        if number not in but
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            # None: a handler that was not set by Python, and cannot be set again.
            signal.signal(number, signal.SIG_DFL if previous is None else previous)
