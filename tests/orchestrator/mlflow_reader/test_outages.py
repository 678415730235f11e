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
