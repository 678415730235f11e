"""`completion`, as real shells complete with it."""

import contextlib
import io
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.completion import SHELLS
from orchestrator.cli.main import COMMANDS, main
from orchestrator.study.catalog import study_files

LIMIT_S = 60
BASH = """
source "$1"
shift
COMP_WORDS=(bnn-orchestrate "$@"); COMP_CWORD=$#; COMP_LINE="bnn-orchestrate $*"
COMP_POINT=${#COMP_LINE}
_shtab_bnn_orchestrate bnn-orchestrate "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """\
fpath=("$ZDOTDIR/functions" $fpath)
autoload -Uz compinit && compinit -u -d "$ZDOTDIR/dump"
shown() { print -r -- "<$BUFFER>"; BUFFER= }
zle -N shown && bindkey '^X' shown
PS1='ready> '
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of a shell's script; skips where there is no such shell."""
    folder = tmp_path_factory.mktemp("completion")

    def make(shell: str) -> Path:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        path = folder / shell
        if not path.exists():
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                assert main(["completion", shell]) == 0
            path.write_text(printed.getvalue(), encoding="utf-8")
        return path

    return make


@pytest.fixture
def bash(script: Callable[[str], Path], tmp_path: Path) -> Callable[..., set[str]]:
    """What bash offers for a line whose last word is being typed."""

    def complete(*words: str) -> set[str]:
        return _lines(["bash", "-c", BASH, "bash", str(script("bash")), *words], tmp_path)

    return complete


@pytest.fixture
def fish(script: Callable[[str], Path], tmp_path: Path) -> Callable[..., set[str]]:
    """What fish offers for a line whose last word is being typed, without its descriptions."""

    def complete(*words: str) -> set[str]:
        asked = "source $argv[1]; complete -C $argv[2]"
        line = " ".join(["bnn-orchestrate", *words])
        found = _lines(["fish", "--no-config", "-c", asked, str(script("fish")), line], tmp_path)
        return {name.partition("\t")[0] for name in found}

    return complete


def _lines(command: list[str], folder: Path) -> set[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.stderr == ""
    return {line for line in done.stdout.splitlines() if line}


@pytest.fixture
def zsh(script: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """What zsh makes of a line when Tab is pressed."""
    text = script("zsh").read_text("utf-8")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_bnn-orchestrate").write_text(text, encoding="utf-8")
    (tmp_path / ".zshrc").write_text(ZSH, encoding="utf-8")
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        home = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)}
        path = os.environ["PATH"]
        environment = {**home, "TERM": "dumb", "PATH": path, "LC_ALL": "C.UTF-8"}
        os.execvpe("zsh", ["zsh", "-d", "-i"], environment)
    _until("ready> ", terminal)

    def complete(line: str) -> str:
        os.write(terminal, f"{line}\t\x18".encode())
        return _until(">\r\n", terminal).rpartition("<")[2].partition(">")[0]

    yield complete
    os.write(terminal, b"exit\n")
    os.close(terminal)
    os.waitpid(child, 0)


def _until(end: str, terminal: int) -> str:
    found, ends_at = "", time.monotonic() + LIMIT_S
    poll = select.poll()
    poll.register(terminal, select.POLLIN)
    while end not in found and time.monotonic() < ends_at:
        if poll.poll(1000):
            found += os.read(terminal, 4096).decode("utf-8", "replace")
    assert end in found
    return found


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes_commands_flags_choices_and_studies(
    shell: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    complete: Callable[..., set[str]] = request.getfixturevalue(shell)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "net.bnn").touch()
    (tmp_path / "folder").mkdir()
    assert {"sweep", "studies", "sync", "schema"} <= complete("s")
    assert complete("swe") == {"sweep"}
    assert complete("sweep", "--scale") == {"--scale-epochs"}
    assert complete("sweep", "digits-o") == {"digits-orders"}
    offered = complete("sweep", "m")
    assert {name for name in study_files() if name.startswith("m")} <= offered
    assert "mine.yaml" in offered
    assert "net.bnn" not in complete("sweep", "n")
    assert "net.bnn" in complete("inspect", "n")
    assert complete("results", "--format", "b") == {"biprop"}
    assert complete("data", "pre") == {"prepare"}
    assert complete("matrix", "digits", "--view", "eff") == {"effects"}
    assert "selected/test_error" in complete("matrix", "digits", "--metric", "sel")
    assert "mnist300" in complete("protocol", "mn")
    assert "folder" in {name.rstrip("/") for name in complete("sweep", "--home", "f")}


def test_zsh_completes_commands_flags_choices_and_studies(
    zsh: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "net.bnn").touch()
    lines = {
        "swe": "sweep ",
        "sweep --scale": "sweep --scale-epochs ",
        "sweep digits-o": "sweep digits-orders ",
        "sweep mine": "sweep mine.yaml ",
        "inspect net": "inspect net.bnn ",
        "results --format b": "results --format biprop ",
        "data pre": "data prepare ",
        "protocol vgg5": "protocol vgg5 ",
    }
    for typed, wanted in lines.items():
        assert zsh(f"bnn-orchestrate {typed}") == f"bnn-orchestrate {wanted}"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_in_the_script(shell: str, script: Callable[[str], Path]) -> None:
    text = script(shell).read_text("utf-8")
    for command in COMMANDS:
        assert command.__name__.rpartition(".")[2] in text


def test_an_unknown_shell_is_refused(refused: Callable[..., str], cli: Any) -> None:
    told = refused("completion", "tcsh")
    assert "invalid choice: 'tcsh'" in told
    assert "bash" in told
