"""What users are told besides errors."""

import logging
import os

import pytest

from trainers.data.news import MOST_SHOWN, reason_of, shown, tell


def test_a_program_that_sets_nothing_up_sees_what_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell("100 % of it")
    assert caplog.record_tuples == [("trainers.data.news", logging.WARNING, "100 % of it")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"plain.png", "plain.png"),
        ("Bär.png".encode(), "Bär.png"),
        (b"caf\xe9.png", r"caf\xe9.png"),
        (b"two\nlines", r"two\nlines"),
        (b"\x1b[31mred", r"\x1b[31mred"),
        ("right\u202eleft".encode(), r"right\u202eleft"),
    ],
)
def test_any_name_is_shown_on_one_printable_line(name: bytes, text: str) -> None:
    assert shown(os.fsdecode(name)) == text


def test_a_long_path_loses_its_middle() -> None:
    text = shown("a" * 2000 + "/last.png")
    assert len(text) == MOST_SHOWN + 3
    assert text.endswith("/last.png")


def test_the_end_of_a_long_reason_is_told_for_the_cause_stands_there() -> None:
    usual = RuntimeError(
        "Error downloading a:\nTried b, got:\n<urlopen error [Errno 111] refused>"
    )
    assert reason_of(usual).endswith("got: <urlopen error [Errno 111] refused>")
    told = reason_of(RuntimeError("x" * 1000 + " the cause"))
    assert told.endswith("the cause")
    assert len(told) < 310
    assert reason_of(ValueError()) == "ValueError"
