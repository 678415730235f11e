"""Output that nobody takes: a reader that went away, a full device, an encoding, a terminal."""

import contextlib
import os
import pty
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

MODULE = "orchestrator.cli.main"
SCRIPT = textwrap.dedent(
    """
    import ast, sys
    from orchestrator.cli.output import steady_output

    text = ast.literal_eval(sys.argv[1])
    with steady_output() as lost:
        for number in range(int(sys.argv[2])):
            print(text)
        sys.stdout.flush()
        print(lost.is_closed, lost.reason and lost.reason.errno, file=sys.stderr)
    """
)
TEXT = "forward · seed 7: 1.5 ± 0.5 × 2 → Größe 重み"


def _written(text: str, *, encoding: str, **environment: str) -> bytes:
    command = [sys.executable, "-c", SCRIPT, ascii(text), "1"]
    variables = {**os.environ, "PYTHONIOENCODING": encoding, **environment}
    done = subprocess.run(command, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"False" in done.stderr or "16" in encoding
    return done.stdout


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", TEXT),
        ("utf-8:strict", TEXT),
        ("utf-16", TEXT),
        (
            "ascii",
            r"forward - seed 7: 1.5 +- 0.5 x 2 -> Gr\xf6\xdfe \u91cd\u307f",
        ),
        (
            "ascii:strict",
            r"forward - seed 7: 1.5 +- 0.5 x 2 -> Gr\xf6\xdfe \u91cd\u307f",
        ),
        ("cp1252", r"forward · seed 7: 1.5 ± 0.5 × 2 -> Größe \u91cd\u307f"),
        ("latin-1", r"forward · seed 7: 1.5 ± 0.5 × 2 -> Größe \u91cd\u307f"),
        ("shift_jis", r"forward - seed 7: 1.5 ± 0.5 × 2 → Gr\xf6\xdfe 重み"),
        ("koi8-r", None),
        ("utf-7", TEXT),
    ],
)
def test_what_an_encoding_lacks_is_written_otherwise(encoding: str, shown: str | None) -> None:
    text = _written(TEXT, encoding=encoding).decode(encoding.partition(":")[0])
    assert text == f"{shown}\n" if shown else text.startswith("forward ")


def test_a_locale_without_any_letters_but_ascii_stops_nothing() -> None:
    shown = _written(TEXT, encoding="", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert shown.startswith(b"forward - seed 7")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "utf-16"])
def test_a_file_name_that_is_no_text_can_be_said(encoding: str) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    shown = _written(name, encoding=encoding).decode(encoding)
    assert shown == "caf\\udce9.png\n"


def _on(stdout: int, *, times: int = 1) -> str:
    command = [sys.executable, "-c", SCRIPT, ascii("x" * 1000), str(times)]
    done = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_full_device_is_noted_and_raises_nothing() -> None:
    with open("/dev/full", "w") as full:
        assert _on(full.fileno(), times=100) == "True 28\n"


def test_a_reader_that_went_away_wanted_no_more() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert _on(writer, times=100) == "True None\n"
    os.close(writer)


def test_a_terminal_that_vanished_is_noted_and_raises_nothing() -> None:
    ours, theirs = pty.openpty()
    os.close(ours)
    assert _on(theirs) == "True 5\n"
    os.close(theirs)


def test_a_pipe_that_does_not_wait_for_its_reader_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    command = [sys.executable, "-c", SCRIPT, ascii("x" * 1000), "500"]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        with open(reader, "rb") as file:
            read = file.read()
        assert process.stderr is not None
        assert process.stderr.read() == "False None\n"
    assert len(read) == 500 * 1001


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_descriptors_that_were_closed_are_never_those_of_a_file(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    script = textwrap.dedent(
        """
        import os, sys
        for descriptor in map(int, sys.argv[2:]):
            os.close(descriptor)
        sys.stdout = None if "1" in sys.argv[2:] else sys.stdout
        sys.stderr = None if "2" in sys.argv[2:] else sys.stderr
        from orchestrator.cli.output import steady_output
        with steady_output() as lost, open(sys.argv[1], "w") as file:
            print("said")
            print("said", file=sys.stderr)
            # As a library in C does.
            os.write(2, b"said by a library")
            file.write(str(file.fileno() > 2))
        """
    )
    told = tmp_path / "told"
    command = [sys.executable, "-c", script, str(told), *map(str, closed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert told.read_text() == "True"


@pytest.fixture
def helps() -> Callable[..., tuple[int, str]]:
    """`--help` on an output; exit code and errors."""

    def run(stdout: int) -> tuple[int, str]:
        command = [sys.executable, "-m", MODULE, "--help"]
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
        return done.returncode, done.stderr

    return run


def test_a_command_whose_output_is_lost_has_failed(
    helps: Callable[..., tuple[int, str]],
) -> None:
    with open("/dev/full", "w") as full:
        code, err = helps(full.fileno())
    assert (code, err) == (1, "error: the output is lost: No space left on device\n")


def test_a_command_whose_reader_went_away_has_not(
    helps: Callable[..., tuple[int, str]],
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert helps(writer) == (0, "")
    os.close(writer)


def test_errors_that_nobody_reads_change_no_exit_code() -> None:
    command = [sys.executable, "-m", MODULE, "validate", "./nowhere.yaml"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=full, check=False)
    assert done.returncode == 2


@pytest.mark.slow
def test_training_for_a_reader_that_went_away_ends(file: Callable[..., str]) -> None:
    path = file(axes=[{"name": "seed", "seeds": [1]}], matrix={"rows": "seed"})
    command = [sys.executable, "-m", MODULE, "train", path, "--set", "base.epochs=100000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr is not None
    assert "Traceback" not in (err := process.stderr.read())
    assert "error" not in err


@pytest.mark.slow
def test_a_sweep_whose_output_is_lost_says_so_and_trains(
    file: Callable[..., str], home_folder: Path
) -> None:
    path = file(axes=[{"name": "seed", "seeds": [1]}], matrix={"rows": "seed"})
    command = [sys.executable, "-m", MODULE, "sweep", path]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("note: the output is lost: No space left on device\n")
    with contextlib.closing(sqlite3.connect(home_folder / "journal.db")) as journal:
        assert journal.execute("SELECT state FROM cells").fetchall() == [("finished",)]
