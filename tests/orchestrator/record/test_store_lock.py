"""A study in a store for several homes is swept from one of them at a time, a trial trained."""

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.record import store_lock
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store, StudyIds
from orchestrator.record.store_lock import HOLD_S, RENEW_S, TRIALS_A_TAG, StudyHold, marks
from orchestrator.study.spec import StudySpec

pytestmark = pytest.mark.slow


@pytest.fixture
def others(store: Store, study: StudySpec) -> StudyIds:
    """Another study."""
    return store.open_study(replace(study_record(study), name="other"))


@pytest.fixture
def holders(store: Store, ids: StudyIds) -> Callable[[], set[str]]:
    """Which homes and processes have marked the study."""
    return lambda: {mark.holder for mark in marks(store.tags_of(ids.run))}


MakeHold = Callable[..., StudyHold]


@pytest.fixture
def dead() -> set[str]:
    """Processes that are gone; a home knows it of its own."""
    return set()


@pytest.fixture
def make_hold(store: Store, ids: StudyIds, clock: Any, dead: set[str]) -> MakeHold:
    """Of a process `home.number`, on the study unless told otherwise."""

    def make(process: str, name: str = "them", study: StudyIds = ids, **more: Any) -> StudyHold:
        home, _, holder = process.partition(".")
        return StudyHold(
            store,
            study,
            home=home,
            holder=holder,
            name=name,
            lives=lambda other: other not in dead,
            clock=clock,
            **more,
        )

    return make


def _left(store: Store, study: StudyIds) -> list[str]:
    """All tags of marks on a study."""
    prefix = vocabulary.HELD.format(holder="")
    return [key for key in store.tags_of(study.run) if key.startswith(prefix)]


def test_another_home_is_refused_until_the_first_lets_go(
    make_hold: MakeHold, clock: Any, holders: Callable[[], set[str]]
) -> None:
    ours = make_hold("a.1", "process 1 on here")
    theirs = make_hold("b.2", "process 2 on there")
    ours.take()
    with pytest.raises(InUseError, match="from another home, by process 1 on here; use that home"):
        theirs.take()
    assert holders() == {"a.1"}
    ours.take()
    ours.release()
    theirs.take()
    assert holders() == {"b.2"}
    theirs.release()
    theirs.release()


def test_a_hold_that_is_not_renewed_is_over(
    make_hold: MakeHold, clock: Any, holders: Callable[[], set[str]]
) -> None:
    ours = make_hold("a.1", "us")
    theirs = make_hold("b.2", "them")
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
    assert holders() == {"b.2"}


def test_two_sweeps_of_one_home_each_have_a_mark(make_hold: MakeHold) -> None:
    first = make_hold("a.1", "us")
    second = make_hold("a.2", "us too")
    theirs = make_hold("b.3", "them")
    first.take()
    second.take()
    first.release()
    with pytest.raises(InUseError, match="by us too"):
        theirs.take()
    second.release()
    theirs.take()


def test_a_block_holds_the_study_and_lets_go_however_it_ends(
    make_hold: MakeHold, holders: Callable[[], set[str]]
) -> None:
    hold = make_hold("a.1", "us")
    seen: list[set[str]] = []

    def fail() -> None:
        with hold.held():
            seen.append(holders())
            raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        fail()
    assert seen == [{"a.1"}]
    assert holders() == set()


def test_a_hold_is_renewed_while_the_process_is_busy(
    make_hold: MakeHold, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_lock, "RENEW_S", 0.01)
    ours, renewed = make_hold("a.1", "us"), threading.Event()
    renew = ours.renew

    def renew_and_tell() -> None:
        renew()
        if clock.now > 1000:
            renewed.set()

    monkeypatch.setattr(ours, "renew", renew_and_tell)
    with ours.held():
        clock.now += HOLD_S - 1
        renewed.clear()
        assert renewed.wait(30)
        clock.now += HOLD_S - 1
        with pytest.raises(InUseError, match="by us"):
            make_hold("b.2", "them").take()


def test_a_renewal_that_comes_after_the_end_leaves_nothing(
    make_hold: MakeHold, store: Store, ids: StudyIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_hold("a.1", "us")
    ours.take()
    usual = store.set_tags

    def slow(*arguments: Any) -> None:
        # The server answers when the hold is released already.
        ours.release()
        usual(*arguments)

    monkeypatch.setattr(store, "set_tags", slow)
    ours.renew()
    assert _left(store, ids) == []
    ours.renew()
    assert _left(store, ids) == []


def test_a_trial_is_trained_in_one_home_whatever_the_study(
    make_hold: MakeHold, store: Store, ids: StudyIds, others: StudyIds
) -> None:
    many = [f"{number:016x}" for number in range(3 * TRIALS_A_TAG + 1)]
    ours = make_hold("a.1", "us", trials=many)
    ours.take()
    apart = make_hold("b.2", study=others, trials=["f" * 16])
    apart.take()
    apart.release()
    # Whichever of its tags names them.
    for shared in (many[0], many[-1]):
        theirs = make_hold("b.2", study=others, trials=[shared, "0"])
        with pytest.raises(InUseError, match=r"trials of this study \(1\) are being trained for"):
            theirs.take()
        assert _left(store, others) == []
    ours.release()
    theirs.take()
    assert _left(store, ids) == []


def test_of_a_killed_sweep_no_trial_stays_held(
    make_hold: MakeHold, store: Store, ids: StudyIds, others: StudyIds, clock: Any
) -> None:
    make_hold("a.1", trials=["0"]).take()
    clock.now += HOLD_S + 1
    make_hold("b.2", study=others, trials=["0"]).take()
    assert _left(store, ids) == []


def test_what_a_killed_sweep_left_ends_at_once_when_its_home_sweeps_again(
    make_hold: MakeHold, store: Store, ids: StudyIds, dead: set[str]
) -> None:
    make_hold("a.1", trials=["0"]).take()
    dead.add("1")
    theirs = make_hold("b.2")
    # Another home cannot know that it is dead.
    with pytest.raises(InUseError, match="from another home"):
        theirs.take()
    ours = make_hold("a.3", trials=["0"])
    ours.take()
    ours.release()
    assert _left(store, ids) == []
    theirs.take()


@pytest.mark.parametrize("text", ["", "mine", "[]", "{}", '{"name": "a", "until": "soon"}', "1"])
def test_a_mark_that_somebody_wrote_over_is_none(
    text: str, store: Store, ids: StudyIds, make_hold: MakeHold
) -> None:
    store.set_tags(ids.run, {vocabulary.HELD.format(holder="a.1"): text})
    assert marks(store.tags_of(ids.run)) == []
    make_hold("b.2").take()


def test_a_copy_of_a_home_is_another_home(
    store: Store, ids: StudyIds, make_hold: MakeHold, journal: Journal, tmp_path: Path
) -> None:
    first = journal.home
    journal.close()
    with closing(Journal(Path(shutil.copy(journal.path, tmp_path / "copy.db")))) as copied:
        second = copied.home
    # To the copy the process of the original is none that it knows of.
    make_hold(f"{first}.1").take()
    copy = make_hold(f"{second}.2")
    copy.lives = lambda holder: False
    with pytest.raises(InUseError, match="is being swept from another home"):
        copy.take()
