"""Commands that are printed, as a shell reads them."""

import argparse
import ast
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dashboards
import orchestrator
import trainers
from orchestrator.cli.commands import command, same_command, secret_hint
from orchestrator.cli.main import COMMANDS, _parser

URI = "postgresql://me:hunter2@db/runs"


def _args(home: str | None = None, uri: str | None = None, *typed: str) -> argparse.Namespace:
    return argparse.Namespace(home=home, tracking_uri=uri, typed=typed)


@pytest.mark.parametrize(
    ("home", "uri", "line"),
    [
        (None, None, "bnn-orchestrate ui tiny"),
        ("h", None, "bnn-orchestrate ui tiny --home h"),
        ("a b", None, "bnn-orchestrate ui tiny --home 'a b'"),
        ("it's", None, "bnn-orchestrate ui tiny --home 'it'\"'\"'s'"),
        ("$HOME", None, "bnn-orchestrate ui tiny --home '$HOME'"),
        ("-h", None, "bnn-orchestrate ui tiny --home=-h"),
        (None, "http://host:1", "bnn-orchestrate ui tiny --tracking-uri http://host:1"),
        (None, "sqlite:///a?b&c", "bnn-orchestrate ui tiny --tracking-uri 'sqlite:///a?b&c'"),
        ("h", "http://host", "bnn-orchestrate ui tiny --home h --tracking-uri http://host"),
        ("h", URI, "bnn-orchestrate ui tiny --home h"),
    ],
)
def test_a_command_names_the_home_and_the_store_that_were_named(
    home: str | None, uri: str | None, line: str
) -> None:
    args = _args(home, uri)
    assert command(args, "ui", "tiny") == line
    read = _parser().parse_args(shlex.split(line)[1:])
    assert read.home == home
    assert read.tracking_uri == (None if uri == URI else uri)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("name", ["Größe", "caf\udce9", "a 'b' \\n", "重み"])
def test_a_shell_reads_each_name_back(
    name: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    line = command(_args(name), "ui")
    line.encode(encoding)
    script = f'bnn-orchestrate() {{ printf %s "$3"; }}; {line}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stdout == name.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "typed",
    [
        ("sweep", "./a b.yaml", "--tracking-uri", URI, "--seeds", "7"),
        ("sweep", "./a b.yaml", f"--tracking-uri={URI}", "--seeds", "7"),
        ("sweep", "./a b.yaml", "--track", URI, "--seeds", "7"),
        ("sweep", "./a b.yaml", f"--t={URI}", "--seeds", "7"),
    ],
)
def test_this_command_is_repeated_without_its_secret(typed: tuple[str, ...]) -> None:
    args = _args(None, URI, *typed)
    assert same_command(args) == "bnn-orchestrate sweep './a b.yaml' --seeds 7"
    hint = secret_hint(args)
    assert "MLFLOW_TRACKING_URI" in hint
    assert "postgresql://***@db/runs" in hint
    assert "hunter2" not in hint


def test_a_command_without_a_secret_is_repeated_as_it_was_typed() -> None:
    args = _args("h", "http://host", "sweep", "x", "--home", "h", "--tracking-uri", "http://host")
    line = "bnn-orchestrate sweep x --home h --tracking-uri http://host"
    assert same_command(args) == line
    assert secret_hint(args) == ""


def _texts(tree: ast.AST) -> Iterator[str]:
    """The texts in a source that are no docstrings, also those with values in them."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts = (getattr(part, "value", None) for part in node.values)
            yield "".join(text if isinstance(text, str) else "X" for text in texts)
        elif isinstance(node, ast.Constant) and id(node) not in docs | parts:
            yield str(node.value)


def _written() -> set[str]:
    """Every command line that a source spells out itself."""
    names = "|".join(module.__name__.rpartition(".")[2] for module in COMMANDS)
    found = set()
    for package in (orchestrator, dashboards, trainers):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
                found |= set(re.findall(rf"bnn-orchestrate (?:{names})\b.*", text))
    return found


@pytest.fixture(scope="module")
def parser() -> Any:
    return _parser()


def test_no_other_place_writes_commands_that_would_forget_the_home(parser: Any) -> None:
    written = _written()
    # A path, a name, an example: none depends on the home.
    assert written == {
        "bnn-orchestrate validate X",
        "bnn-orchestrate sweep X",
        "bnn-orchestrate protocol digits --dry-run",
    }
    for line in written:
        assert parser.parse_args(shlex.split(line)[1:])


def test_the_example_of_a_protocol_works_as_it_is_printed(cli: Callable[..., Any]) -> None:
    (line,) = re.findall(r"such as: (bnn-orchestrate .*)", cli("protocol").err.splitlines()[0])
    shown = cli(*shlex.split(line)[1:])
    assert shown.code == 0, shown.err
    assert "digits-sensitivity" in shown.out


def test_the_check_that_is_proposed_finds_the_same_faults(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a study.yaml").write_text("study: [1]\n")
    first = cli("sweep", "./a study.yaml", "--home", "h")
    (line,) = re.findall(r"check again with: (bnn-orchestrate .*)", first.err)
    again = cli(*shlex.split(line)[1:])
    assert (first.code, again.code) == (2, 2)
    faults = first.err.splitlines()[:-1]
    assert again.err.splitlines()[:-1] == faults
