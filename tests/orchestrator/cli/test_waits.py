"""What a command says while something does not answer."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.process import waiting


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that answers nothing; 1.5 s after the first connection it is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close() -> None:
            # However long a busy machine takes to ask.
            server.settimeout(60)
            taken = [server.accept()[0]]
            server.settimeout(0.2)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                try:
                    taken.append(server.accept()[0])
                except TimeoutError:
                    continue
            for connection in taken:
                connection.close()
            server.close()

        thread = threading.Thread(target=close)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("command", ["matrix", "results", "ui"])
def test_a_server_that_is_slow_to_answer_is_named(
    command: str,
    silent_server: str,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "SAID_AFTER_S", 0.5)
    answer = cli(command, "digits-orders", "--tracking-uri", silent_server)
    assert answer.code == 2
    assert answer.err.startswith(f"waiting for MLflow's answer, from {silent_server}\n")
    assert answer.err.count("waiting for") == 1
