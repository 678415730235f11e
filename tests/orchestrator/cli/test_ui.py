"""`ui`: pages without results, for whom they are, and where they listen."""

import contextlib
import platform
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., str]


def test_there_are_no_pages_without_results(refused: Refused, home_folder: Path) -> None:
    err = refused("ui")
    assert f"no results in {home_folder / 'mlflow.db'}" in err
    assert "run a sweep first" in err


@pytest.mark.parametrize("port", ["0", "65536", "-1", "five", "5.0", "²"])
def test_a_port_that_there_is_not_is_refused(port: str, refused: Refused) -> None:
    assert "expected a number from 1 to 65535" in refused("ui", f"--port={port}")


def test_a_link_is_no_name_of_a_host(refused: Refused) -> None:
    err = refused("ui", "--allowed-hosts", "http://gpu01:5000")
    assert "expected names separated by commas" in err
    assert "http://gpu01:5000" in err


def test_names_are_for_pages_that_this_command_serves(refused: Refused) -> None:
    err = refused("ui", "--tracking-uri", "http://me:pw@host:1", "--allowed-hosts", "gpu01")
    assert "http://***@host:1 is a server already" in err


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch, home_folder: Path) -> list[list[str]]:
    """Pages that end at once; the commands that would have served them."""
    commands: list[list[str]] = []

    class Ended:
        def poll(self) -> int:
            return 0

        wait = poll

    @contextlib.contextmanager
    def leashed(command: list[str], **options: object) -> Iterator[Ended]:
        commands.append(command)
        yield Ended()

    monkeypatch.setattr("orchestrator.cli.ui.leashed", leashed)
    for name in ("MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    home_folder.mkdir()
    (home_folder / "mlflow.db").touch()
    return commands


def _flag(command: list[str], name: str) -> list[str]:
    return command[command.index(name) + 1].split(",") if name in command else []


def test_on_loopback_mlflow_decides_which_names_it_answers_to(
    cli: Callable[..., Any], pages: list[list[str]], free_port: int
) -> None:
    answer = cli("ui", "--port", str(free_port))
    assert answer.code == 0
    assert f"http://127.0.0.1:{free_port}" in answer.out
    assert _flag(pages[0], "--allowed-hosts") == []


def test_for_others_the_pages_answer_to_the_name_of_the_machine_and_say_so(
    cli: Callable[..., Any], pages: list[list[str]], free_port: int
) -> None:
    answer = cli("ui", "--host", "0.0.0.0", "--port", str(free_port))
    assert answer.code == 0
    assert "0.0.0.0:" not in answer.out
    allowed = _flag(pages[0], "--allowed-hosts")
    for name in (platform.node(), "localhost", "127.0.0.1"):
        assert {name, f"{name}:*"} <= set(allowed)
        assert f"http://{name}:*" in _flag(pages[0], "--cors-allowed-origins")
    assert "10.*" in allowed
    assert platform.node() in answer.out
    assert "--allowed-hosts" in answer.out


def test_more_names_can_be_allowed(
    cli: Callable[..., Any],
    pages: list[list[str]],
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "set-before")
    port = ("--port", str(free_port))
    cli("ui", *port)
    assert _flag(pages[0], "--allowed-hosts") == []
    assert cli("ui", *port, "--allowed-hosts", "gpu01.lab.org,*.x.org").code == 0
    allowed = _flag(pages[1], "--allowed-hosts")
    assert {"gpu01.lab.org:*", "*.x.org", "localhost"} <= set(allowed)
    assert cli("ui", *port, "--allowed-hosts", "*").code == 0
    assert set(_flag(pages[2], "--allowed-hosts")) == {"*"}
    assert _flag(pages[2], "--cors-allowed-origins") == ["*"]


def test_a_database_that_is_away_has_no_pages(refused: Refused, free_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"postgresql+psycopg://ml:geheim7@127.0.0.1:{taken.getsockname()[1]}/runs"
        err = refused("ui", "--tracking-uri", uri, "--port", str(free_port))
    assert "postgresql+psycopg://***@127.0.0.1" in err
    assert "refused" in err
    assert "geheim7" not in err


def test_a_link_to_a_server_can_be_opened_though_its_password_is_not_shown(
    cli: Callable[..., Any],
) -> None:
    answer = cli("ui", "--tracking-uri", "http://me:hunter2@host:1/")
    assert (answer.code, answer.out) == (0, "MLflow    http://host:1\n")
