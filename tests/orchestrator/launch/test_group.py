"""The processes of a trial, as far as no Ray is needed: which error is told, and who listens."""

import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.launch import group
from orchestrator.launch.group import LostRankError, RankGroup
from orchestrator.launch.resources import Resources
from orchestrator.launch.worker import Job
from trainers.engine.checkpoint import CheckpointPolicy


class _Ranks:
    """As much of the first process as the group calls."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def abandon(self) -> None:
        self.told.append("abandoned")

    def close(self) -> None:
        self.told.append("closed")


@pytest.fixture
def ranks() -> _Ranks:
    return _Ranks()


@pytest.fixture
def two(tmp_path: Path, ranks: _Ranks, monkeypatch: pytest.MonkeyPatch) -> RankGroup:
    """A group whose other process is a list of what is done to it."""
    job = Job(
        train={},
        data_dir=tmp_path,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(),
        device="cpu",
        num_threads=1,
    )
    made = RankGroup(job, Resources(cpus=2).of(2))
    made._ranks = ranks  # type: ignore[assignment]
    killed: list[Any] = []
    made._others = [killed]
    monkeypatch.setattr(group.ray, "kill", lambda other: other.append("killed"))
    return made


def test_the_error_of_the_process_that_failed_is_told_and_not_what_follows_from_it(
    two: RankGroup, ranks: _Ranks
) -> None:
    def fail() -> None:
        two._break(ValueError("process 1 broke"))

    two._watch = threading.Thread(target=fail)
    two._watch.start()
    with pytest.raises(ValueError, match="process 1 broke") as raised:
        two.__exit__(None, RuntimeError("connection closed by peer"), None)
    two._watch.join()
    assert raised.value.__suppress_context__
    assert ranks.told == ["abandoned", "closed"]
    assert "killed" in two._others[0]


def test_an_error_of_the_first_process_is_its_own(two: RankGroup, ranks: _Ranks) -> None:
    two._watch = threading.Thread(target=lambda: None)
    two._watch.start()
    two.__exit__(None, RuntimeError("mine"), None)
    assert ranks.told == ["closed"]


def test_the_others_end_with_the_context(two: RankGroup, ranks: _Ranks) -> None:
    two.__exit__(None, None, None)
    assert (two._others[0], ranks.told) == (["killed"], ["closed"])
    # Also if Tune ends the trial at a report.
    two.__exit__(SystemExit, SystemExit(), None)


def test_a_first_process_that_does_not_see_the_failure_ends(
    two: RankGroup, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(group.os, "_exit", codes.append)
    monkeypatch.setattr(group, "GRACE_S", 0.01)
    two._break(ValueError("process 1 broke"))
    assert codes == [1]
    assert "another process of the trial failed: process 1 broke" in capfd.readouterr().err


def test_the_store_is_reached_at_its_own_address_alone() -> None:
    with group._listening("127.0.0.1") as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_process_that_does_not_answer_is_told_with_what_to_do(two: RankGroup) -> None:
    error = RuntimeError("[connection.cc:1] Timed out waiting 600000ms for recv operation")
    with pytest.raises(LostRankError, match=r"did not answer for 600 s: .*trial.timeout_s"):
        two.__exit__(RuntimeError, error, None)
