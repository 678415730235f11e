"""`dashboard`: where it listens, and who may look."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., str]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Pages that end at once; how they would have been served."""
    found: list[dict[str, Any]] = []

    def application(uri: str, **options: Any) -> dict[str, Any]:
        return {"uri": uri, **options}

    monkeypatch.setattr("dashboards.page.app.application", application)
    monkeypatch.setattr("dashboards.page.server.serve", lambda app, listening: found.append(app))
    return found


def test_on_loopback_nobody_needs_a_token(
    cli: Callable[..., Any], served: list[dict[str, Any]], free_port: int
) -> None:
    answer = cli("dashboard", "--port", str(free_port))
    assert answer.code == 0
    assert f"page      http://127.0.0.1:{free_port}/\n" in answer.out
    assert served[0]["token"] == ""
    assert served[0]["names"] == []


def test_for_others_a_token_is_made_and_each_time_another(
    cli: Callable[..., Any], served: list[dict[str, Any]], free_port: int
) -> None:
    for _ in range(2):
        answer = cli("dashboard", "--host", "0.0.0.0", "--port", str(free_port))
        assert f"?token={served[-1]['token']}\n" in answer.out
        assert "0.0.0.0:" not in answer.out
    first, second = served
    assert first["token"] != second["token"]
    assert len(first["token"]) >= 32


def test_a_token_of_the_environment_is_taken(
    cli: Callable[..., Any],
    served: list[dict[str, Any]],
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BNN_DASHBOARD_TOKEN", "only-for-friends")
    answer = cli("dashboard", "--port", str(free_port))
    assert answer.code == 0
    assert served[0]["token"] == "only-for-friends"
    # The output of a service is kept in logs.
    assert "only-for-friends" not in answer.out
    assert "that of BNN_DASHBOARD_TOKEN" in answer.out
    answer = cli("dashboard", "--port", str(free_port), "--token", "only-for-others")
    assert "?token=only-for-others\n" in answer.out


def test_a_token_that_can_be_guessed_is_refused(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "8 or more letters" in refused("dashboard", "--token", "1234567")
    monkeypatch.setenv("BNN_DASHBOARD_TOKEN", "a b c d e f g")
    assert "BNN_DASHBOARD_TOKEN: expected 8 or more" in refused("dashboard")


def test_a_port_in_use_is_refused(refused: Refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        err = refused("dashboard", "--port", str(taken.getsockname()[1]))
    assert "cannot listen on 127.0.0.1" in err
    assert "take another --port, or --host" in err


def test_a_study_that_is_not_recorded_is_refused(refused: Refused, free_port: int) -> None:
    err = refused("dashboard", "digits-ordres", "--port", str(free_port))
    assert "no study 'digits-ordres'; recorded: none yet" in err
