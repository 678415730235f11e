"""Where commands listen that serve pages: the port, the names, and whether it is free."""

import argparse
import socket

from orchestrator.cli import hosts
from orchestrator.cli.faults import UsageError

HIGHEST_PORT = 65535
BLOCKED = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161),
        *(179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563),
        *(587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060),
        *(5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    }
)
"""Ports of other services, on which no browser opens a page (Fetch standard, "bad port")."""


def add_listening(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Adds the flags for the address, its port and its names.

    Args:
        parser: Of the command.
        port: The usual port.
    """
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: loopback); 0.0.0.0 is for others on the network",
    )
    parser.add_argument("--port", type=port_of, default=port, help=f"(default: {port})")
    parser.add_argument(
        "--allowed-hosts",
        type=_hosts,
        metavar="NAME,NAME,...",
        help="more names that browsers may use for this machine, such as gpu01.lab.org or "
        "'*.lab.org'; its own name and addresses need not be named",
    )


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens on an address.

    Raises:
        UsageError: If something else listens there, or this machine has no such address.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _refusal(host, port, error) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Two sockets may be bound to one address, and only one of them may listen.
        listening.listen()
    except OSError as error:
        listening.close()
        raise _refusal(host, port, error) from error
    return listening


def refuse_taken(host: str, port: int) -> None:
    """Refuses an address on which nothing can listen.

    Raises:
        UsageError: As for `bound`.
    """
    bound(host, port).close()


def port_of(text: str) -> int:
    """The port that a flag names.

    Raises:
        ArgumentTypeError: If there is no such port, or no browser would open it.
    """
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"expected a number from 1 to {HIGHEST_PORT}, got '{text}'"
        )
    if int(text) in BLOCKED:
        raise argparse.ArgumentTypeError(f"browsers open no page on port {text}; take another")
    return int(text)


def _refusal(host: str, port: int, error: OSError) -> UsageError:
    what = f"cannot listen on {host}:{port} ({error.strerror})"
    return UsageError(f"{what}; take another --port, or --host")


def _hosts(text: str) -> tuple[str, ...]:
    try:
        return hosts.checked_hosts(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
