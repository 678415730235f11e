"""`bnn-orchestrate`: reads the command line, calls one command, turns errors into exit codes."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from orchestrator.cli import (
    evaluate,
    export,
    inspect,
    matrix,
    protocol,
    results,
    studies,
    sweep,
    sync,
    train,
    ui,
    validate,
)
from orchestrator.cli.faults import explain
from orchestrator.cli.news import shown_news
from orchestrator.errors import EXIT_INTERRUPTED
from orchestrator.gc_pause import uncollected

COMMANDS = (
    studies,
    sweep,
    protocol,
    matrix,
    results,
    validate,
    train,
    export,
    evaluate,
    inspect,
    sync,
    ui,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code.

    Returns:
        0: done; 1: some cells failed; 2: the request is wrong and nothing was launched; 130:
        interrupted.
    """
    parser = _parser()
    args = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.ERROR,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        # A command that does not train reads, prints and ends.
        with shown_news(), nullcontext() if args.trains else uncollected():
            code: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        more = "; finished cells are kept, the same command resumes" if args.trains else ""
        print(f"\ninterrupted{more}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe; send the rest to devnull so the flush at exit cannot fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.verbose:
            logging.exception("the command failed")
        return explain(error, trains=args.trains)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bnn-orchestrate",
        description="Sweeps of binary-network training: Ray Tune schedules the trials, one "
        "PyTorch engine trains them, MLflow keeps the result matrix.",
        epilog="exit codes: 0 done, 1 some cells failed, 2 the request is wrong and nothing was "
        "launched, 130 interrupted",
    )
    parser.set_defaults(trains=False)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
