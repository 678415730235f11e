"""Tells a server that is away for now from one that never answers, and gives the reason."""

import re
import socket
import sqlite3
import sys

import requests

from orchestrator.masking import masked

ANSWERS = re.compile(
    r"authentication|password|access denied|does not exist|unknown database|no pg_hba|permission"
    r"|could not translate host name|failed to resolve host|name or service not known"
    r"|no such host",
    re.IGNORECASE,
)
"""What a database, or the network, says if a later attempt would end alike."""


def may_answer_later(error: Exception) -> bool:
    """Whether a server is only away, slow or in trouble; an unknown host name never answers."""
    chain = _chain(error)
    if any(isinstance(cause, socket.gaierror) for cause in chain):
        return False
    away = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
    return any(isinstance(cause, away) for cause in chain) or _is_database_away(chain)


def _is_database_away(chain: list[BaseException]) -> bool:
    """Whether a database's server could not be reached; a refused password is an answer."""
    # If SQLAlchemy raised an error, it is already imported.
    errors = sys.modules.get("sqlalchemy.exc")
    if errors is None or any(isinstance(cause, sqlite3.Error) for cause in chain):
        return False
    is_connection = any(
        isinstance(cause, errors.OperationalError | errors.InterfaceError) for cause in chain
    )
    return is_connection and not any(ANSWERS.search(str(cause)) for cause in chain)


def is_of_a_store(error: Exception) -> bool:
    """Whether the error comes from MLflow's client, server or database."""
    # If these raised the error, they are already imported.
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, MlflowException | SQLAlchemyError | sqlite3.Error | OSError)


def is_gone(error: Exception) -> bool:
    """Whether the store says that it has no such run or experiment."""
    return getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"


def reason(error: Exception) -> str:
    """Why a server did not answer: the root cause in one line, without passwords."""
    chain = _chain(error)
    return first_line(chain[-1] if may_answer_later(error) else error)


def first_line(error: BaseException) -> str:
    """The first line of an error, with the passwords in addresses masked."""
    lines = masked(str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _chain(error: BaseException) -> list[BaseException]:
    """The error, its cause, the cause of that, and so on."""
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None:
        found.append(cause)
    return found
