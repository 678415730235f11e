"""`--notify COMMAND`: runs a command when all is over, with what came of it as JSON."""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from orchestrator.cli.faults import UsageError
from orchestrator.errors import EXIT_FAILED, EXIT_WRONG, OrchestratorError
from orchestrator.masking import masked
from orchestrator.process import signals
from orchestrator.process.foothold import is_folder_gone
from orchestrator.results.summary import ERROR, FAILURES, FINISHED, INTERRUPTED

if TYPE_CHECKING:
    from orchestrator.home import Home

VERSION = 1
"""Of the JSON; a key that changes its meaning makes a new one."""
LIMIT_S = 60.0
"""Most seconds that the command may take."""
FIRST_OF_SIGNALS = 128
"""Exit codes from here on are of signals."""
_OPERATORS = "|&;<>"
LONGEST_LINE = 200
"""Most characters that are shown of what a command says of its failure."""


def add_notify(parser: argparse.ArgumentParser) -> None:
    """Adds the flag."""
    parser.add_argument(
        "--notify",
        metavar="COMMAND",
        help="run this command at the end, however that comes, with a JSON summary on its "
        "standard input (docs/plan.md); no shell reads it",
    )


class Ending:
    """What is told at the end of a command.

    Args:
        name: The command, such as sweep.
        facts: What is known before it begins.
        stages: Whether it has several studies, which are then listed.
    """

    def __init__(self, name: str, facts: Mapping[str, Any], *, stages: bool = False) -> None:
        self.name = name
        self.facts: dict[str, Any] = {**facts}
        self.stages: list[dict[str, Any]] | None = [] if stages else None
        self.code = 0
        self.is_asked = False
        self._error: str | None = None

    def add(self, summary: Mapping[str, Any]) -> None:
        """Takes the summary of a study."""
        if self.stages is None:
            self.facts |= summary
        else:
            self.stages.append({**summary})

    def fail(self, error: BaseException) -> None:
        """Takes what ended the command before its time."""
        if isinstance(error, KeyboardInterrupt) or signals.heard() is not None:
            self.code = signals.exit_code()
        else:
            self.code = _code_of(error)
            self._error = masked(str(error)) or type(error).__name__

    @property
    def state(self) -> str:
        """How the command ended, in one word."""
        if self._error is not None:
            return ERROR
        if self.code >= FIRST_OF_SIGNALS:
            return INTERRUPTED
        return FAILURES if self.code else FINISHED

    def to_json(self, home: "Home", seconds: float) -> str:
        """The summary as the command reads it."""
        content: dict[str, Any] = {
            "version": VERSION,
            "command": self.name,
            **self.facts,
            "state": self.state,
            "error": self._error,
            "exit_code": self.code,
            "seconds": round(seconds, 1),
            "home": str(home.root),
            "tracking_uri": home.shown_uri,
        }
        if self.stages is not None:
            content["stages"] = self.stages
        return json.dumps(content, indent=1) + "\n"


@contextmanager
def told_at_end(args: argparse.Namespace, home: "Home", ending: Ending) -> Iterator[Ending]:
    """Runs the command of `--notify` after the block, whatever ends that.

    Args:
        args: With the flag.
        home: Where results are.
        ending: Takes what is told; the block adds to it, and sets its code.

    Raises:
        UsageError: If there is no such command; then the block is not entered.
    """
    words = _words_of(args.notify)
    ending.is_asked = bool(words)
    started = time.monotonic()
    try:
        yield ending
    except BaseException as error:
        ending.fail(error)
        raise
    finally:
        if words:
            _tell(words, ending.to_json(home, time.monotonic() - started))


def _words_of(text: str | None) -> list[str]:
    """The program with its path, and its arguments; none without the flag."""
    if text is None:
        return []
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--notify: {str(error).lower()} in: {text}") from error
    if not words:
        raise UsageError("--notify: expected a command, such as --notify 'mail-me --brief'")
    _refuse_shell(text)
    program = os.path.expanduser(words[0])
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"--notify: {_why_missing(program)}")
    return [os.path.abspath(found), *words[1:]]


def _refuse_shell(text: str) -> None:
    """Refuses what only a shell understands; else it would fail after hours of training."""
    # Without POSIX's rules, a quoted operator keeps its quotes.
    parts = shlex.shlex(text, posix=False, punctuation_chars=_OPERATORS)
    try:
        signs = [part for part in parts if set(part) <= set(_OPERATORS)]
    except ValueError:
        # Quotes that are parts of words are read otherwise here; then nothing is said.
        return
    if signs:
        asked = shlex.join(["sh", "-c", text])
        what = f"no shell reads the command, so '{signs[0]}' would be a word like any other"
        raise UsageError(f"--notify: {what}; name a shell: --notify {shlex.quote(asked)}")


def _why_missing(program: str) -> str:
    """Why a program cannot be run, and what to do."""
    if not os.path.isfile(program):
        where = "there is no such file" if "/" in program else "no folder of PATH has it"
        return f"'{program}' is not found: {where}; name an installed program, or the path of one"
    if not os.access(program, os.X_OK):
        return f"'{program}' is a file that may not be run; chmod +x {shlex.quote(program)}"
    return f"'{program}' is not found: no folder of PATH has it; for the file here: ./{program}"


def _tell(words: list[str], content: str) -> None:
    """Runs the command; what goes wrong costs one line and nothing else."""
    with tempfile.TemporaryFile() as errors:
        try:
            why = _fault_of(words, content, errors)
        except OSError as error:
            why = f"cannot be run: {error.strerror}"
        except KeyboardInterrupt:
            why = "was interrupted"
        if why:
            last = _last_line(errors)
            text = f"notify    {shlex.join(words)} {why}{f': {last}' if last else ''}"
            print(masked(text), flush=True)


def _fault_of(words: list[str], content: str, errors: IO[bytes]) -> str:
    """Runs the command to its end or its limit; what went wrong, empty: nothing."""
    # What it starts itself may go on, so nobody waits for the end of a pipe.
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        cwd="/" if is_folder_gone() else None,
    )
    try:
        process.communicate(content, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"took more than {LIMIT_S:g} s and was ended"
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode < 0:
        return f"was ended by {signal.Signals(-process.returncode).name}"
    return f"ended with code {process.returncode}" if process.returncode else ""


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:LONGEST_LINE]


def _code_of(error: BaseException) -> int:
    from trainers.errors import SpecError

    if isinstance(error, OrchestratorError):
        return error.exit_code
    return EXIT_WRONG if isinstance(error, SpecError) else EXIT_FAILED
