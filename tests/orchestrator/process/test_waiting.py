"""Long waits are said, short ones are not."""

import time

import pytest

from orchestrator.process import waiting


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(waiting, "SAID_AFTER_S", 0.05)
    return []


def test_a_long_wait_is_said_once_and_while_it_lasts(said: list[str]) -> None:
    with waiting.told_by(said.append), waiting.waiting_for("Ray to start"):
        time.sleep(0.3)
        assert said == ["waiting for Ray to start"]
    time.sleep(0.1)
    assert said == ["waiting for Ray to start"]


def test_a_short_wait_is_not_said(said: list[str]) -> None:
    with waiting.told_by(said.append), waiting.waiting_for("Ray to start"):
        pass
    time.sleep(0.1)
    assert said == []


def test_a_wait_that_ends_with_an_error_is_over(said: list[str]) -> None:
    with (
        waiting.told_by(said.append),
        pytest.raises(ZeroDivisionError, match="while waiting"),
        waiting.waiting_for("Ray to start"),
    ):
        raise ZeroDivisionError("while waiting")
    time.sleep(0.1)
    assert said == []


def test_without_somebody_to_tell_nothing_happens(said: list[str]) -> None:
    with waiting.told_by(said.append):
        pass
    with waiting.waiting_for("Ray to start"):
        time.sleep(0.1)
    assert said == []


def test_of_waits_within_each_other_the_innermost_is_said_and_once(said: list[str]) -> None:
    with waiting.told_by(said.append), waiting.waiting_for("MLflow"):
        with waiting.waiting_for("its database"):
            time.sleep(0.3)
        assert said == ["waiting for its database"]
        with waiting.waiting_for("its answer"):
            pass
    assert said == ["waiting for its database"]
