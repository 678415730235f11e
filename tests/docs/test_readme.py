"""The README is short, and what it shows is so."""

import re
import shlex
from pathlib import Path

import console
import pytest

from orchestrator.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_it_has_a_screen_and_a_half() -> None:
    assert len(TEXT.splitlines()) <= 100


def test_every_page_that_it_names_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_a_mistake_is_told_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = (one for one in console.examples(ROOT / "README.md") if "validate" in one.command)
    assert main(shlex.split(example.command)[1:]) == 2
    told = capsys.readouterr().err
    # Libraries may say something of the machine there too.
    assert console.fits(f" ...\n{example.output}\n ...", told), told
