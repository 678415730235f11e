"""Signals: what they raise, what is held back, and the exit code."""

import ctypes
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.process import signals


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Every handler is put back, whatever a test does."""
    before = {number: signal.getsignal(number) for number in signals.ALL}
    yield
    assert before == {number: signal.getsignal(number) for number in signals.ALL}
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(signals.ALL)


@pytest.mark.parametrize("number", signals.ALL)
def test_a_command_that_a_signal_ends_says_so(number: int) -> None:
    with (
        signals.raising(),
        pytest.raises(KeyboardInterrupt, match=r"^$"),
    ):
        signal.raise_signal(number)
    assert signals.heard() == number
    assert signals.exit_code() == 128 + number


def test_the_first_of_several_signals_is_the_one_that_counts() -> None:
    with signals.raising():
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            signal.raise_signal(signal.SIGHUP)
        # What the first one began, such as ending a server, is not interrupted at once.
        signal.raise_signal(signal.SIGTERM)
    assert signals.exit_code() == 129


def test_a_second_signal_counts_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_S", 0.0)
    with signals.raising():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt, match=r"^$"):
                signal.raise_signal(signal.SIGINT)


def test_without_a_signal_an_interruption_counts_as_ctrl_c() -> None:
    with signals.raising():
        assert signals.heard() is None
        assert signals.exit_code() == 130


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raising():
            signal.raise_signal(signal.SIGHUP)
            assert signals.heard() is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", signals.ALL)
def test_what_is_deferred_acts_at_the_end_of_the_block(number: int) -> None:
    done = []

    def hold_back() -> None:
        with signals.deferred():
            signal.raise_signal(number)
            # As Ray does.
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
            done.append(number)

    with signals.raising():
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            hold_back()
        assert done == [number]
        assert signals.exit_code() == 128 + number


@pytest.mark.parametrize("number", signals.ALL)
def test_what_another_thread_is_sent_is_held_back_too(number: int) -> None:
    done = []
    go = threading.Event()

    def be_sent() -> None:
        go.wait()
        signal.raise_signal(number)

    # Started here, so that it holds no signal back.
    thread = threading.Thread(target=be_sent)
    thread.start()

    def hold_back() -> None:
        with signals.deferred():
            signal.signal(number, lambda number, frame: sys.exit(number))
            go.set()
            thread.join()
            done.append(number)

    with signals.raising():
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            hold_back()
        assert (done, signals.heard()) == ([number], number)


def test_a_handler_that_raises_as_it_is_set_back_leaves_nothing_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal may come between two handlers that are set back."""
    usual, sent = signals._set, []

    def set_and_send(number: int, handler: Any) -> Any:
        previous = usual(number, handler)
        if number == signal.SIGINT and len(sent) < 2:
            sent.append(number)
            if len(sent) == 2:
                signal.raise_signal(signal.SIGINT)
        return previous

    with signals.raising():
        monkeypatch.setattr(signals, "_set", set_and_send)
        with pytest.raises(KeyboardInterrupt, match=r"^$"), signals.deferred():
            pass
        monkeypatch.undo()
        # The fixture looks at the rest.
        assert signals.heard() == signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_stop_request_further_signals_may_be_dropped(number: int) -> None:
    with signals.raising():
        with pytest.raises(KeyboardInterrupt, match=r"^$"), signals.deferred(drop=True):
            signal.raise_signal(number)
        with signals.deferred(drop=True):
            signal.raise_signal(number)


def test_a_handler_that_a_library_removed_in_c_is_set_again() -> None:
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    with signals.raising():
        # The system's default would end this process.
        libc.signal(signal.SIGTERM, None)
        signals.set_again()
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            signal.raise_signal(signal.SIGTERM)


def test_some_signals_may_act_at_once_all_the_same() -> None:
    with signals.raising(), signals.deferred(but=(signal.SIGINT,)):
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            signal.raise_signal(signal.SIGINT)
        assert signals.heard() == signal.SIGINT


def test_a_thread_leaves_signals_to_the_main_thread() -> None:
    ended = []

    def work() -> None:
        with signals.raising(), signals.deferred():
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


def test_a_library_with_handlers_in_c_is_held_back_too() -> None:
    # faulthandler sets its own with sigaction, and ends the process, as Ray's do.
    script = textwrap.dedent(
        """
        import faulthandler, os, signal
        from orchestrator.process import signals

        with signals.raising():
            try:
                with signals.deferred():
                    faulthandler.register(signal.SIGTERM, chain=True)
                    os.kill(os.getpid(), signal.SIGTERM)
                    faulthandler.unregister(signal.SIGTERM)
            except KeyboardInterrupt:
                print(signals.exit_code())
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "143\n", "")
