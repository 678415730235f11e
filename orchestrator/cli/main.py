"""`bnn-orchestrate`: reads the command line, calls one command, turns errors into exit codes."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress

from orchestrator.cli import (
    compare,
    completion,
    dashboard,
    data,
    evaluate,
    export,
    hybrid,
    inspect,
    matrix,
    plan,
    protocol,
    replay,
    report,
    results,
    schema,
    status,
    studies,
    sweep,
    sync,
    train,
    ui,
    validate,
)
from orchestrator.cli.faults import UsageError, explain
from orchestrator.cli.news import shown_news
from orchestrator.cli.output import Lost, steady_output
from orchestrator.errors import EXIT_FAILED
from orchestrator.masking import masked
from orchestrator.process import signals, waiting
from orchestrator.process.foothold import is_folder_gone
from orchestrator.process.gc_pause import not_at_exit, uncollected
from orchestrator.process.limits import raise_limits
from orchestrator.process.variables import settle

COMMANDS = (
    studies,
    plan,
    sweep,
    status,
    protocol,
    matrix,
    results,
    report,
    compare,
    replay,
    validate,
    train,
    export,
    evaluate,
    inspect,
    hybrid,
    sync,
    schema,
    completion,
    data,
    dashboard,
    ui,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code.

    Returns:
        0: done; 1: some cells failed, or what was to be printed is lost; 2: the request is wrong
        and nothing was launched; 128 and the number of a signal: that ended it.
    """
    not_at_exit()
    typed = sys.argv[1:] if arguments is None else list(arguments)
    args = argparse.Namespace(trains=False, shows=True, verbose=False, typed=tuple(typed))
    with steady_output() as lost:
        with signals.raising(), waiting.told_by(_say):
            code = _run(args)
        sys.stdout.flush()
        return _with_loss(code, lost, shows=args.shows)


def _run(args: argparse.Namespace) -> int:
    """Runs the command that was typed, into whose arguments `args` is made."""
    try:
        _refuse_unknown(args.typed)
        _parser().parse_args(args.typed, args)
        return _answered(args)
    except SystemExit as ended:
        # How argparse ends, with its help or with a mistake.
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        return _interrupted(args)
    except Exception as error:
        if args.verbose:
            logging.exception("the command failed")
        if _is_of_interrupt(error):
            return _interrupted(args)
        return explain(error, trains=args.trains)


def _refuse_unknown(typed: Sequence[str]) -> None:
    """Names the nearest command; argparse only lists them all.

    Raises:
        UnknownNameError: If the first word is no command.
    """
    known = [command.__name__.rpartition(".")[2] for command in COMMANDS]
    if typed and not typed[0].startswith("-") and typed[0] not in known:
        # Only here, so that commands do not wait for it.
        from trainers.errors import UnknownNameError

        raise UnknownNameError("command", typed[0], known)


def _answered(args: argparse.Namespace) -> int:
    _log_to_stderr(logging.INFO if args.verbose else logging.ERROR)
    settle(os.environ, joins_cluster=getattr(args, "ray_address", None) is not None)
    if args.trains:
        raise_limits()
    if is_folder_gone():
        raise UsageError("the current folder was removed; go to another one")
    # A command that does not train reads, prints and ends.
    with shown_news(), nullcontext() if args.trains else uncollected():
        code: int = args.run(args)
    return code


class _Masked(logging.Formatter):
    """Formats log records and their tracebacks without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def _log_to_stderr(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Masked("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def _is_of_interrupt(error: BaseException | None) -> bool:
    """Whether an interrupt led to an error, as one does in the middle of a library's clean-up."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _interrupted(args: argparse.Namespace) -> int:
    number = signals.heard() or signal.SIGINT
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    more = "" if args.shows else "; finished cells are kept, the same command resumes"
    print(f"\ninterrupted{by}{more}", file=sys.stderr)
    return signals.exit_code()


def _with_loss(code: int, lost: Lost, *, shows: bool) -> int:
    """The exit code, also where the output took not all; a reader that went away wanted no more.

    Args:
        code: Of the command.
        lost: What the output did not take.
        shows: Whether the output is what the command is for.
    """
    if lost.reason is None:
        return code
    word, worst = ("error", EXIT_FAILED) if shows else ("note", 0)
    print(f"{word}: the output is lost: {lost.reason.strerror}", file=sys.stderr)
    return code or worst


def _say(text: str) -> None:
    # In a file or a pipe that takes both, what was printed before stands before.
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bnn-orchestrate",
        description="Sweeps of binary-network training: Ray Tune schedules the trials, one "
        "PyTorch engine trains them, MLflow keeps the result matrix.",
        epilog="exit codes: 0 done; 1 some cells failed, or the output is lost; 2 the request is "
        "wrong and nothing was launched; 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by "
        "SIGHUP, 128 + N by another signal N",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
