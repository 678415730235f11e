"""The names of this machine: in links that others can open, and those that the pages answer to.

MLflow's server answers only to names that it was told, so that no other site can use a browser's
access to it.
"""

import ipaddress
import platform
import re
import socket
from collections.abc import Sequence

LOCAL = ("localhost", "127.0.0.1", "[::1]")
PRIVATE = ("10.*", *(f"172.{number}.*" for number in range(16, 32)), "192.168.*")
"""Addresses of local networks, which MLflow's server answers to by itself."""
EVERY = ("0.0.0.0", "::", "")
"""Addresses to listen on that stand for all of this machine; no link can name them."""
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation; nothing is sent to them."""


def checked_hosts(text: str) -> tuple[str, ...]:
    """The names in a list with commas.

    Raises:
        ValueError: If one of them is no name, such as a link.
    """
    hosts = tuple(name.strip() for name in text.split(","))
    for host in hosts:
        if not re.fullmatch(r"[A-Za-z0-9_.*:\[\]-]+", host):
            what = "expected names separated by commas, such as gpu01.lab.org,*.lab.org"
            raise ValueError(f"{what}; got '{host}'")
    return hosts


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def link_host(host: str) -> str:
    """The host in a link to an address to listen on."""
    if host not in EVERY:
        return bracketed(host)
    name, addresses = platform.node(), own_addresses()
    return name if _is_known(name) or not addresses else addresses[0]


def own_names(host: str) -> list[str]:
    """The names by which others reach what listens on an address."""
    if host not in EVERY:
        return [bracketed(host)]
    name = platform.node()
    short = name.partition(".")[0]
    return list(dict.fromkeys(filter(None, [name, short, f"{short}.local", *own_addresses()])))


def own_addresses() -> list[str]:
    """The addresses with which this machine talks to others, in the order of preference."""
    found = []
    for family, far in _FAR:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.append(bracketed(probe.getsockname()[0]))
        except OSError:
            continue
    return found


def bracketed(host: str) -> str:
    """A host as links have it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def patterns(names: Sequence[str]) -> list[str]:
    """Names as MLflow's server compares them with a request, with and without a port."""
    found: list[str] = []
    for name in names:
        has_port = re.search(r":[\d*]+$", name) is not None and not name.endswith("]")
        # With a star, brackets are a set of letters.
        wild = name.replace("[", "[[]") if name.startswith("[") else name
        found += [name] if name == "*" or has_port else [name, f"{wild}:*"]
    return found


def origins(names: Sequence[str]) -> list[str]:
    """The beginnings of links to these names, as a browser tells them."""
    if "*" in names:
        return ["*"]
    return [f"{scheme}://{pattern}" for pattern in patterns(names) for scheme in ("http", "https")]


def _is_known(name: str) -> bool:
    """Whether a name leads to an address that is not of this machine alone."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        return False
    return not all(is_loopback(address.partition("%")[0]) for address in found)
