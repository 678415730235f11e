"""Leases: one holder at a time, free again when it ends, dies, or hangs."""

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution import leases
from orchestrator.execution.leases import LEASE_S, RENEW_S, Leases
from orchestrator.free_space import DiskFullError

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.free_space import DiskFullError
from orchestrator.execution.leases import Leases
leases = Leases(Path(sys.argv[1]))
print(leases.claim("t"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def ours(journal: Path, clock: Any) -> Iterator[Leases]:
    made = Leases(journal, clock=clock)
    yield made
    made.close()


@pytest.fixture
def theirs(journal: Path, clock: Any) -> Iterator[Leases]:
    made = Leases(journal, clock=clock)
    yield made
    made.close()


def test_only_one_has_it_and_may_take_it_again(ours: Leases, theirs: Leases) -> None:
    assert ours.claim("t")
    assert ours.claim("t")
    assert not theirs.claim("t")
    assert theirs.claim("u")
    assert theirs.holder_of("t") == ours.name
    assert ours.holder_of("v") is None


def test_what_is_given_back_is_free(ours: Leases, theirs: Leases) -> None:
    assert ours.claim("t")
    theirs.release("t")
    assert not theirs.claim("t")
    ours.release("t")
    assert theirs.claim("t")


def test_all_are_given_back_at_the_end(journal: Path, clock: Any, theirs: Leases) -> None:
    ours = Leases(journal, clock=clock)
    assert ours.claim("t")
    ours.close()
    assert theirs.claim("t")


def test_one_that_is_not_renewed_ends(ours: Leases, theirs: Leases, clock: Any) -> None:
    assert ours.claim("t")
    clock.now += LEASE_S - 1
    assert not theirs.claim("t")
    clock.now += 2
    assert theirs.holder_of("t") is None
    assert theirs.claim("t")


def test_one_that_is_renewed_goes_on(ours: Leases, theirs: Leases, clock: Any) -> None:
    assert ours.claim("t")
    for _ in range(10):
        clock.now += RENEW_S
        ours.renew()
    assert not theirs.claim("t")


def test_they_are_renewed_while_the_process_is_busy(
    ours: Leases, theirs: Leases, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ours.claim("t")
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    renewed = threading.Event()
    renew = Leases.renew
    clock.now += LEASE_S - 1

    def renew_and_tell(leases: Leases) -> None:
        renew(leases)
        renewed.set()

    monkeypatch.setattr(Leases, "renew", renew_and_tell)
    with ours.renewed():
        assert renewed.wait(30)
    clock.now += LEASE_S - 1
    assert not theirs.claim("t")
    clock.now += 2
    assert theirs.claim("t")


def test_what_others_took_meanwhile_is_not_renewed(
    ours: Leases, theirs: Leases, clock: Any
) -> None:
    assert ours.claim("t")
    clock.now += LEASE_S + 1
    assert theirs.claim("t")
    ours.renew()
    assert not ours.is_ours("t")
    assert theirs.is_ours("t")


def test_a_journal_that_was_deleted_does_not_come_back_empty(ours: Leases, journal: Path) -> None:
    journal.unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        ours.renew()
    assert not journal.exists()


@pytest.mark.slow
def test_one_of_a_killed_process_is_free_at_once(journal: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    ours = Leases(journal)
    assert not ours.claim("t")
    assert ours.holder_of("t") == ours.name.replace(ours.name.split()[1], str(process.pid))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert ours.claim("t")
    ours.close()


@pytest.mark.slow
def test_what_dead_processes_left_is_removed(journal: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    folder = journal.with_name("journal.db.holders")
    assert len(list(folder.iterdir())) == 1
    ours = Leases(journal)
    assert len(list(folder.iterdir())) == 1
    ours.close()
    assert list(folder.iterdir()) == []


def _fill(leases: Leases) -> None:
    """From now on nothing more fits into the file, as on a full disk."""
    (num_pages,) = leases._db.execute("PRAGMA page_count").fetchone()
    leases._db.execute(f"PRAGMA max_page_count = {num_pages}")


def test_a_lease_that_cannot_be_written_is_none(ours: Leases, theirs: Leases) -> None:
    _fill(ours)
    with pytest.raises(DiskFullError, match="make room"):
        ours.claim("t" * 100_000)
    assert theirs.claim("t" * 100_000)
    # What is there already may be written again.
    assert ours.claim("u")


def test_what_only_tidies_up_does_without_a_disk(
    ours: Leases, caplog: pytest.LogCaptureFixture
) -> None:
    assert ours.claim("t")
    ours._db.execute("PRAGMA query_only = ON")
    ours.release("t")
    assert caplog.text.count("cannot be written") == 1
    assert ours.is_ours("t")
