"""What the address of an MLflow store says: a file, a server, or a database on a server."""

import re
from urllib.parse import urlsplit

DATABASES = ("postgresql", "postgres", "mysql", "mssql", "mariadb", "oracle")
SERVERS = ("http", "https")


def is_database_server(address: str) -> bool:
    """Whether the address names a database on a server, to which MLflow's client connects."""
    return _kind(address) in DATABASES


def fault_of(address: str) -> str:
    """Why libraries would cut an address in the wrong place; empty: they would not.

    Args:
        address: MLflow's store; only a server's or a database's is looked at.
    """
    if _kind(address) not in (*SERVERS, *DATABASES):
        return ""
    if re.search(r"\s", address):
        return "it has a blank"
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return "its port is no number, or its host is not one"
    is_socket = _kind(address) in DATABASES and not parts.netloc.rpartition("@")[2]
    if not parts.hostname and not is_socket:
        return "it names no host"
    # After the host there is nothing like a second host.
    if "@" in parts.path or "@" in parts.fragment:
        return "an @ follows the first /, ? or #"
    return ""


def _kind(address: str) -> str:
    """The scheme without a driver, such as postgresql of postgresql+psycopg."""
    return address.partition("://")[0].partition("+")[0].lower()
