"""Leases: one holder at a time, free again when it ends, dies, or hangs."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    leases = Leases(journal, clock=clock)
    yield leases
    leases.close()


@pytest.fixture
def theirs(journal: Path, clock: Any) -> Iterator[Leases]:
    leases = Leases(journal, clock=clock)
    yield leases
    leases.close()


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
        clock.now += RENEW_S + 1
        ours.renew()
    assert not theirs.claim("t")


@pytest.mark.slow
def test_one_of_a_killed_process_is_free_at_once(journal: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    leases = Leases(journal)
    assert not leases.claim("t")
    assert leases.holder_of("t") == leases.name.replace(leases.name.split()[1], str(process.pid))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert leases.claim("t")
    leases.close()


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
    leases = Leases(journal)
    assert len(list(folder.iterdir())) == 1
    leases.close()
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
    ours: Leases, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert ours.claim("t")
    ours._db.execute("PRAGMA query_only = ON")
    clock.now += RENEW_S + 1
    ours.renew()
    ours.release("t")
    assert caplog.text.count("cannot be written") == 2
    assert ours.is_ours("t")
