"""A study on a server is swept from one home at a time."""

from typing import Any

import pytest

from orchestrator.hold import InUseError
from orchestrator.record import Store, StudyIds
from orchestrator.study_hold import HOLD_S, RENEW_S, StudyHold

pytestmark = pytest.mark.slow


def test_another_home_is_refused_until_the_first_lets_go(
    store: Store, ids: StudyIds, clock: Any
) -> None:
    ours = StudyHold(store, ids, home="a", holder="1", name="process 1 on here", clock=clock)
    theirs = StudyHold(store, ids, home="b", holder="2", name="process 2 on there", clock=clock)
    ours.take()
    with pytest.raises(InUseError, match="from another home, by process 1 on here; use that home"):
        theirs.take()
    assert set(store.holds(ids)) == {"a.1"}
    ours.take()
    ours.release()
    theirs.take()
    assert set(store.holds(ids)) == {"b.2"}
    theirs.release()
    theirs.release()


def test_a_hold_that_is_not_renewed_is_over(store: Store, ids: StudyIds, clock: Any) -> None:
    ours = StudyHold(store, ids, home="a", holder="1", name="us", clock=clock)
    theirs = StudyHold(store, ids, home="b", holder="2", name="them", clock=clock)
    ours.take()
    clock.now += HOLD_S - 1
    with pytest.raises(InUseError, match="by us"):
        theirs.take()
    ours.renew()
    clock.now += RENEW_S
    with pytest.raises(InUseError, match="by us"):
        theirs.take()
    clock.now += HOLD_S
    theirs.take()
    assert set(store.holds(ids)) == {"b.2"}


def test_two_sweeps_of_one_home_each_have_a_mark(store: Store, ids: StudyIds) -> None:
    first = StudyHold(store, ids, home="a", holder="1", name="us")
    second = StudyHold(store, ids, home="a", holder="2", name="us too")
    theirs = StudyHold(store, ids, home="b", holder="3", name="them")
    first.take()
    second.take()
    first.release()
    with pytest.raises(InUseError, match="by us too"):
        theirs.take()
    second.release()
    theirs.take()


def test_a_block_holds_the_study_is_renewed_meanwhile_and_lets_go_however_it_ends(
    store: Store, ids: StudyIds
) -> None:
    hold = StudyHold(store, ids, home="a", holder="1", name="us")
    renewed: list[StudyHold] = []
    seen: list[set[str]] = []

    def fail() -> None:
        with hold.renewed_by(renewed):
            assert renewed == [hold]
            seen.append(set(store.holds(ids)))
            raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        fail()
    assert seen == [{"a.1"}]
    assert renewed == []
    assert store.holds(ids) == {}
