"""Whether a console is drawn on, whatever the environment says of colours and sizes."""

import io
import os
import pty
import sys
from collections.abc import Iterator
from typing import IO

import pytest

from orchestrator.cli.console import make_console

NAMES = (
    "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE",
    "TTY_INTERACTIVE", "JUPYTER_COLUMNS", "JUPYTER_LINES", "CI", "TERM",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def terminal() -> Iterator[IO[str]]:
    """A terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


@pytest.fixture
def file() -> io.TextIOWrapper:
    """A file."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value", "draws"),
    [
        ("TERM", "xterm", True),
        ("TERM", "dumb", False),
        ("TERM", "DUMB", False),
        ("TERM", "unknown", False),
        ("TERM", "", False),
        ("NO_COLOR", "1", True),
        ("FORCE_COLOR", "1", True),
        ("FORCE_COLOR", "", True),
        ("TTY_COMPATIBLE", "0", False),
        ("TTY_COMPATIBLE", "1", True),
        ("TTY_INTERACTIVE", "0", False),
        ("TTY_INTERACTIVE", "1", True),
        ("CI", "true", True),
        ("JUPYTER_COLUMNS", "1", True),
    ],
)
def test_a_terminal_is_drawn_on_if_it_can_and_may(
    name: str, value: str, draws: bool, terminal: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv(name, value)
    assert make_console().is_interactive == draws


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["0", "1", "true", "3", "xterm"])
def test_a_file_is_never_drawn_on(
    name: str, value: str, file: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setenv(name, value)
    assert not make_console().is_interactive


@pytest.mark.parametrize("name", ["COLUMNS", "JUPYTER_COLUMNS", "LINES"])
@pytest.mark.parametrize("value", ["0", "1", "-5", "", "²", "many", "9" * 5000])
def test_sizes_in_which_nothing_can_be_read_are_left_out(
    name: str, value: str, file: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setenv(name, value)
    console = make_console()
    console.print("a line of words")
    file.seek(0)
    assert console.width >= 20
    assert file.read().splitlines() == ["a line of words"]


def test_a_width_that_was_asked_for_counts(file: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setenv("COLUMNS", "200")
    assert make_console().width == 200


def test_a_table_in_an_output_of_few_letters_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.table import Table

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    table = Table("order", "mean")
    table.add_row("forward", "1.5")
    make_console().print(table)
    stream.seek(0)
    assert "forward" in stream.read()
