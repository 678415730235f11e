"""Who holds a journal keeps others out, until it ends or is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.record.delivery_lock import InUseError, held

HOLDER = """\
import sys, time
from pathlib import Path
from orchestrator.record.delivery_lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal.db"


def test_one_after_the_other_may_hold_it(path: Path) -> None:
    for _ in range(2):
        with held(path):
            assert path.parent.is_dir()
            assert not path.exists()


def test_a_second_one_is_told_who_has_it(path: Path) -> None:
    with (
        held(path),
        pytest.raises(InUseError, match=rf"process {os.getpid()}\).*another --home"),
        held(path),
    ):
        pass
    with held(path):
        pass


def test_a_holder_that_did_not_say_who_it_is_is_unknown(path: Path) -> None:
    for said in ("", "who?"):
        with held(path):
            path.with_name("journal.db.lock").write_text(said)
            with pytest.raises(InUseError, match=r"\(unknown process\)"), held(path):
                pass


def test_on_a_file_system_without_locks_nothing_is_held(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.record.delivery_lock.lock", lambda descriptor: None)
    with held(path), held(path):
        pass


def test_an_error_inside_lets_go(path: Path) -> None:
    with pytest.raises(KeyError, match="x"), held(path):
        raise KeyError("x")
    with held(path):
        pass


@pytest.mark.slow
def test_a_process_that_is_killed_lets_go(path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=f"process {process.pid}"), held(path):
            pass
        process.kill()
        process.wait(timeout=30)
    with held(path):
        pass


def test_journals_of_two_homes_do_not_mind_each_other(path: Path, tmp_path: Path) -> None:
    with held(path), held(tmp_path / "other" / "journal.db"):
        pass
