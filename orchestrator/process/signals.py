"""The signals that end a command: which came first, and the exit code that tells it.

Outside of training, each of them raises KeyboardInterrupt, so that every `finally` runs. While Ray
Tune runs, `orchestrator.launch.tuning` handles them.
"""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

WARNINGS = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""Ctrl-C, and what batch systems send some time before they end a job: finish the epoch."""
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU)
"""Ends now: the system may follow with SIGKILL."""
ALL = (*WARNINGS, *ENDS)
AGAIN_S = 1.0
"""Seconds within which a further signal does not interrupt what the first one began: a terminal
that closes, and a shell that ends, each send their own."""

_heard: list[int] = []
_set = signal.signal


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

    A library that sets a handler of its own within the block changes nothing.

    Args:
        drop: They do nothing if another one came before the block.
        but: Those that act at once all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    drop = drop and heard() is not None
    # Blocked too, because a library may set handlers of its own in C. Other threads are sent them
    # all the same.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        with _handlers(lambda number, frame: came.append(number), but=but), _no_others():
            yield
    finally:
        try:
            while (pending := signal.sigtimedwait(ENDS, 0)) is not None:
                came.append(pending.si_signo)
        finally:
            # A handler that is back already may have raised.
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if came and not drop:
            signal.raise_signal(came[0])


def set_again() -> None:
    """Sets the current handlers once more, which a library may have removed in C."""
    if threading.current_thread() is threading.main_thread():
        for number in ALL:
            if (handler := signal.getsignal(number)) is not None:
                _set(number, handler)


@contextmanager
def _no_others() -> Iterator[None]:
    """Within the block, a handler that a library sets for one of our signals is not taken."""
    usual = signal.signal

    def keep(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in ALL else usual(number, handler)

    signal.signal = keep  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = usual


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
    before = {number: _set(number, handler) for number in numbers}
    try:
        yield
    finally:
        _set_back(before)


def _set_back(before: Mapping[signal.Signals, Any]) -> None:
    """Sets all handlers back, although one that is back already may raise."""
    raised: BaseException | None = None
    for number, previous in before.items():
        # None: a handler that was not set by Python, and cannot be set again.
        handler = signal.SIG_DFL if previous is None else previous
        try:
            _set(number, handler)
        except (KeyboardInterrupt, SystemExit) as error:
            raised = error
            _set(number, handler)
    if raised is not None:
        raise raised
