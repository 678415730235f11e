"""Which processes use a journal: those that still lock their files."""

import os
from pathlib import Path

import pytest

from orchestrator.record.holders import folder_of, lives, living
from trainers.locks import lock


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    folder_of(tmp_path / "journal.db").mkdir()
    return tmp_path / "journal.db"


def test_a_process_lives_while_its_file_is_locked(journal: Path) -> None:
    for name in ("dead", "alive"):
        (folder_of(journal) / name).touch()
    descriptor = os.open(folder_of(journal) / "alive", os.O_RDWR)
    assert lock(descriptor)
    assert lives(journal, "alive")
    assert not lives(journal, "dead")
    assert not lives(journal, "never was")
    assert living(journal) == ["alive"]
    os.close(descriptor)
    assert living(journal) == []


def test_without_locks_a_process_may_live_but_nobody_knows(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder_of(journal) / "somebody").touch()
    monkeypatch.setattr("orchestrator.record.holders.lock", lambda descriptor: None)
    assert lives(journal, "somebody")
    assert living(journal) == []


def test_a_journal_that_nobody_used_has_none(tmp_path: Path) -> None:
    assert living(tmp_path / "journal.db") == []
