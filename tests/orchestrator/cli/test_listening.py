"""Ports that a command may listen on."""

import argparse
import socket

import pytest

from orchestrator.cli.faults import UsageError
from orchestrator.cli.listening import bound, port_of


@pytest.mark.parametrize("text", ["1024", "5000", "5050", "65535"])
def test_a_port_is_a_number(text: str) -> None:
    assert port_of(text) == int(text)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "5e3", ""])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 65535"):
        port_of(text)


@pytest.mark.parametrize("text", ["22", "5060", "5061", "6000", "10080"])
def test_a_port_that_browsers_never_open_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"no page on port {text}"):
        port_of(text)


def test_only_one_command_gets_a_port() -> None:
    with bound("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(
            UsageError, match=f"cannot listen on 127.0.0.1:{port} .*another --port"
        ):
            bound("127.0.0.1", port)
        # Whoever comes before it answers waits, and is not turned away.
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
