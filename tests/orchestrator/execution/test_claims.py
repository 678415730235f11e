"""Which cells a sweep may train beside others."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from orchestrator.execution import claims as module
from orchestrator.execution.claims import ASK_EVERY_S, Claim, Claims
from orchestrator.execution.leases import Leases
from orchestrator.record.known import Recorded
from orchestrator.study.cells import Cell


class Sweep:
    """One of two sweeps of one home: its leases, and what it was told."""

    def __init__(self, journal: Path, finished: set[str]) -> None:
        self.leases = Leases(journal)
        self.told: list[str] = []
        since = SimpleNamespace(finished_since=lambda trial: trial if trial in finished else None)
        self.claims = Claims(
            self.leases, cast(Recorded, since), done=lambda cell: self.told.append(cell.id)
        )


@pytest.fixture
def finished() -> set[str]:
    """Trials that were finished since both began."""
    return set()


@pytest.fixture
def ours(tmp_path: Path, finished: set[str]) -> Iterator[Sweep]:
    sweep = Sweep(tmp_path / "journal.db", finished)
    yield sweep
    sweep.leases.close()


@pytest.fixture
def theirs(tmp_path: Path, finished: set[str]) -> Iterator[Sweep]:
    sweep = Sweep(tmp_path / "journal.db", finished)
    yield sweep
    sweep.leases.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, set by hand."""
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_cell_is_trained_by_one(ours: Sweep, theirs: Sweep, cells: Sequence[Cell]) -> None:
    assert ours.claims.take(cells[0]) is Claim.OURS
    assert theirs.claims.take(cells[0]) is Claim.THEIRS
    assert theirs.claims.take(cells[1]) is Claim.OURS
    assert ours.claims.is_ours(cells[0])
    assert not theirs.claims.is_ours(cells[0])
    assert ours.told == theirs.told == []


def test_one_that_was_refused_is_not_asked_for_again_at_once(
    ours: Sweep, theirs: Sweep, cells: Sequence[Cell], clock: list[float]
) -> None:
    ours.claims.take(cells[0])
    assert theirs.claims.take(cells[0]) is Claim.THEIRS
    ours.leases.release(cells[0].id)
    clock[0] += ASK_EVERY_S / 2
    assert theirs.claims.take(cells[0]) is Claim.THEIRS
    clock[0] += ASK_EVERY_S
    assert theirs.claims.take(cells[0]) is Claim.OURS


def test_one_that_was_finished_meanwhile_is_done_and_nobodys(
    ours: Sweep, theirs: Sweep, cells: Sequence[Cell], finished: set[str]
) -> None:
    assert ours.claims.take(cells[0]) is Claim.OURS
    finished.add(cells[0].id)
    ours.leases.release(cells[0].id)
    assert theirs.claims.take(cells[0]) is Claim.DONE
    assert theirs.told == [cells[0].id]
    assert theirs.leases.holder_of(cells[0].id) is None


def test_what_is_left_is_what_is_not_done(
    ours: Sweep, theirs: Sweep, cells: Sequence[Cell], finished: set[str]
) -> None:
    ours.claims.take(cells[0])
    finished.add(cells[1].id)
    by_key = {str(number): cell for number, cell in enumerate(cells[:3])}
    assert list(theirs.claims.remaining(by_key)) == ["0", "2"]
    assert [theirs.claims.is_ours(cell) for cell in cells[:3]] == [False, False, True]
