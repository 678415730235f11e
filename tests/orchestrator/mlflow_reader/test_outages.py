"""Why a server did not answer, in one line, and whether it may later."""

import socket
import sqlite3

import pytest
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from orchestrator.mlflow_reader.outages import first_line, is_of_a_store, may_answer_later, reason


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_reason_is_what_is_at_the_bottom() -> None:
    refused = _caused(requests.ConnectionError("a long story"), OSError("Connection refused"))
    assert reason(_caused(RuntimeError("the call failed"), refused)) == "Connection refused"
    assert reason(RuntimeError("401\nand more")) == "401"


def test_a_wrong_name_never_answers_and_a_silent_server_may() -> None:
    gone = _caused(requests.ConnectionError("x"), socket.gaierror("Name or service not known"))
    assert not may_answer_later(gone)
    assert not may_answer_later(PermissionError("401"))
    assert may_answer_later(_caused(RuntimeError("x"), requests.Timeout("10 s")))


def test_no_password_is_told_and_silence_has_a_name() -> None:
    assert first_line(OSError("http://me:secret@host/x is away")) == "http://***@host/x is away"
    assert first_line(OSError()) == "OSError"


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("401"),
        requests.Timeout("10 s"),
        OperationalError("SELECT 1", None, Exception("no such table")),
        sqlite3.DatabaseError("file is not a database"),
        PermissionError(13, "denied"),
    ],
)
def test_clients_servers_and_databases_are_of_a_store(error: Exception) -> None:
    assert is_of_a_store(error)
    assert not is_of_a_store(KeyError("x"))


def _from_database(text: str) -> Exception:
    """An error as SQLAlchemy wraps it."""
    return OperationalError("SELECT 1", None, Exception(text))


@pytest.mark.parametrize(
    "text",
    [
        'connection to server at "127.0.0.1", port 9 failed: Connection refused',
        "connection timeout expired",
        "server closed the connection unexpectedly",
        "(2003, \"Can't connect to MySQL server on 'db' (111)\")",
        "FATAL: the database system is starting up",
    ],
)
def test_a_database_that_is_away_may_answer_later(text: str) -> None:
    assert may_answer_later(_from_database(text))


@pytest.mark.parametrize(
    "text",
    [
        'FATAL: password authentication failed for user "ml"',
        'FATAL: database "runs" does not exist',
        "failed to resolve host 'nowhere.invalid': [Errno -2] Name or service not known",
        "(1045, \"Access denied for user 'ml'@'host'\")",
    ],
)
def test_a_database_that_refuses_has_answered(text: str) -> None:
    assert not may_answer_later(_from_database(text))


def test_a_file_that_cannot_be_used_is_not_away() -> None:
    broken = _caused(
        OperationalError("SELECT 1", None, Exception("unable to open database file")),
        sqlite3.OperationalError("unable to open database file"),
    )
    assert not may_answer_later(broken)
