"""Beats come on their own, end nothing and delay nothing."""

import logging
import threading
import time

import pytest

from orchestrator.record.heartbeat import END_S, beating


def _alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "heartbeat: it"]


def test_beats_come_while_the_block_is_busy_and_no_more_afterwards() -> None:
    beats: list[float] = []
    with beating("it", lambda: beats.append(time.monotonic()), every_s=0.01):
        time.sleep(0.2)
    during = len(beats)
    assert during >= 3
    assert _alive() == []
    time.sleep(0.05)
    assert len(beats) == during


def test_a_block_that_ends_soon_has_no_beat_and_no_delay() -> None:
    beats: list[int] = []
    began = time.monotonic()
    with beating("it", lambda: beats.append(1), every_s=3600):
        pass
    assert time.monotonic() - began < END_S
    assert beats == []
    assert _alive() == []


def test_what_a_beat_raises_is_told_once_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    beats: list[int] = []
    well = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) < 4:
            raise OSError("http://me:secret@host: no space left on device")
        well.set()

    with caplog.at_level(logging.WARNING), beating("it", beat, every_s=0.01):
        assert well.wait(30)
    assert caplog.text.count("it cannot be renewed: http://***@host: no space left") == 1


def test_an_error_of_the_block_passes_and_ends_the_beats() -> None:
    with pytest.raises(KeyError, match="x"), beating("it", lambda: None, every_s=0.01):
        raise KeyError("x")
    assert _alive() == []


def test_a_beat_that_waits_for_a_server_does_not_delay_the_end_for_long() -> None:
    began, answered = threading.Event(), threading.Event()

    def beat() -> None:
        began.set()
        answered.wait(60)

    with beating("it", beat, every_s=0.01):
        assert began.wait(30)
        ending = time.monotonic()
    assert time.monotonic() - ending < END_S + 5
    assert _alive() == ["heartbeat: it"]
    answered.set()
