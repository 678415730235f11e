"""The tutorial, typed by somebody in an empty folder: every command prints what it shows."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import console
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
PROGRAM = "bnn-orchestrate"


def test_outputs_fit_but_for_numbers_and_what_is_left_out() -> None:
    shown = "mine  2.5 ± 0.1\n ...\nlast line"
    assert console.fits(shown, "mine  13 ± 2\nanything\n\nlast line\n")
    assert console.fits(shown, "waiting for Ray\nmine 13 ± 2\nlast line")
    assert not console.fits(shown, "mine  13 ± 2\nlast line\nand more")
    assert not console.fits(shown, "other  13 ± 2\nlast line")
    assert console.fits("mine\n ...\nbut\n ...", "mine\n1\nbut\n2\n3")
    assert not console.fits("mine", "mine\nand more")


@pytest.mark.slow
def test_a_newcomer_types_the_tutorial(tmp_path: Path, make_user: Callable[[Path], Any]) -> None:
    user = make_user(tmp_path)
    (study,) = re.findall(r"(?s)```yaml\n(.*?)```", PAGE.read_text("utf-8"))
    user.writes(study, "first.yaml")
    typed = console.examples(PAGE)
    assert len(typed) == 7
    for example in typed:
        command, _, file = example.command.partition(" > ")
        program, *arguments = shlex.split(command)
        assert program == PROGRAM
        ended = user.runs(*arguments)
        assert ended.code == (2 if ": 1 fault" in example.output else 0), ended
        if file:
            user.writes(ended.out, file)
        elif example.output:
            # Where errors go, libraries may say something of the machine too.
            shown = f" ...\n{example.output}\n ..." if ended.code else example.output
            printed = ended.err if ended.code else ended.out
            assert console.fits(shown, printed), printed
    assert {path.name for path in tmp_path.glob("*.csv")} == {"matrix.csv", "cells.csv"}
