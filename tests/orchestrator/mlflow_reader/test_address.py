"""What an address says, and which one libraries would cut in the wrong place."""

import pytest

from orchestrator.mlflow_reader.address import fault_of, is_database_server


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:5000",
        "http://ml:S3cr@etPW@127.0.0.1:9",
        "https://me:p%2Fw%40x@mlflow.lab.example/prefix",
        "http://[::1]:5000",
        "postgresql://ml:pw@127.0.0.1:9/x",
        "postgresql+psycopg://ml@/runs?host=/var/run/postgresql",
        "mysql+pymysql://ml:pw@db/x",
        "sqlite:////a/b@c d.db",
        "databricks",
        "file:///a@b",
    ],
)
def test_an_address_as_libraries_read_it_has_no_fault(address: str) -> None:
    assert fault_of(address) == ""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://ml:S3cr/etPW@127.0.0.1:9", "port"),
        ("http://ml:12/34@127.0.0.1:9", "@ follows"),
        ("http://ml:a?b@127.0.0.1", "port"),
        ("http://ml:a#b@127.0.0.1", "port"),
        ("http://a b@host", "blank"),
        ("http://", "names no host"),
        ("http://:5000", "names no host"),
        ("http://host:port", "port"),
        ("http://host:99999", "port"),
        ("http://[::1", "port"),
        ("postgresql://ml:pw/x@host/runs", "port"),
    ],
)
def test_an_address_that_would_be_cut_says_where(address: str, why: str) -> None:
    assert why in fault_of(address)


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("postgresql://h/x", True),
        ("postgresql+psycopg://h/x", True),
        ("mysql+pymysql://h/x", True),
        ("sqlite:////x.db", False),
        ("http://h", False),
        ("", False),
    ],
)
def test_a_database_on_a_server_is_known_by_its_scheme(address: str, is_one: bool) -> None:
    assert is_database_server(address) is is_one
