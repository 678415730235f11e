"""Whether a cluster's head is there; no test here starts Ray."""

import socket

import pytest

from orchestrator.launch.head import LOST_AFTER_S, SAID_AFTER_S, HeadWatch


class _Head:
    """A head, its cluster and a clock, which a test sets; notes what is told of it."""

    def __init__(self) -> None:
        self.is_there = self.is_same = True
        self.now_s = 0.0
        self.told: list[tuple[str, str]] = []
        self.watch = HeadWatch(
            "head:6379",
            is_same=lambda: self.is_same,
            silent=lambda reason: self.told.append(("silent", reason)),
            lost=lambda reason: self.told.append(("lost", reason)),
            answers=lambda address: self.is_there,
            clock=lambda: self.now_s,
        )

    def looks(self, *, until_s: float) -> list[tuple[str, str]]:
        while self.now_s < until_s:
            self.now_s += 1
            self.watch.look()
        return self.told


@pytest.fixture
def head() -> _Head:
    return _Head()


def test_a_head_that_answers_is_not_asked_which_it_is(head: _Head) -> None:
    head.is_same = False
    assert head.looks(until_s=100) == []


def test_a_silent_head_is_told_once_and_then_lost(head: _Head) -> None:
    head.is_there = False
    what = "the head of the Ray cluster, head:6379, does not answer"
    assert head.looks(until_s=SAID_AFTER_S) == []
    assert head.looks(until_s=LOST_AFTER_S) == [("silent", what)]
    assert head.looks(until_s=LOST_AFTER_S + 1)[1:] == [("lost", f"{what} for 20 s")]


@pytest.mark.parametrize("silent_s", [1, LOST_AFTER_S - 1])
def test_another_head_in_its_place_is_a_lost_cluster_at_once(head: _Head, silent_s: float) -> None:
    head.is_there = head.is_same = False
    head.looks(until_s=silent_s)
    head.is_there = True
    assert head.looks(until_s=silent_s + 1)[-1] == (
        "lost",
        "the head of the Ray cluster, head:6379, was restarted",
    )


def test_the_same_head_may_be_silent_for_a_while_again_and_again(head: _Head) -> None:
    for begin in (0, 100, 200):
        head.is_there = False
        head.looks(until_s=begin + LOST_AFTER_S - 1)
        head.is_there = True
        head.looks(until_s=begin + 100)
    assert [kind for kind, _ in head.told] == ["silent"] * 3


def test_a_head_that_cannot_be_asked_is_asked_again(head: _Head) -> None:
    def refuse() -> bool:
        raise RuntimeError("no answer yet")

    head.is_there = False
    head.looks(until_s=5)
    head.is_there, head.watch.is_same = True, refuse
    with pytest.raises(RuntimeError, match="no answer yet"):
        head.looks(until_s=6)
    head.watch.is_same = lambda: False
    assert head.looks(until_s=7)[-1][0] == "lost"


def test_a_head_is_there_if_somebody_listens() -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        watch = HeadWatch(
            address, is_same=lambda: False, silent=told.append, lost=told.append, clock=iter(
                [0.0, SAID_AFTER_S]
            ).__next__
        )  # fmt: skip
        watch.look()
    watch.look()
    watch.look()
    assert told == [f"the head of the Ray cluster, {address}, does not answer"]
