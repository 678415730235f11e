"""Prints errors: where, what, the nearest valid names, what to do."""

import sys
from typing import TYPE_CHECKING

from orchestrator.errors import EXIT_FAILED, OrchestratorError
from orchestrator.masking import masked

if TYPE_CHECKING:
    from trainers.errors import SpecError


class UsageError(OrchestratorError):
    """The command line has a wrong or missing argument, or flags that exclude each other."""


def explain(error: Exception, *, trains: bool) -> int:
    """Prints an error to stderr and returns the exit code.

    Args:
        error: The error that ended the command.
        trains: Whether the command trains; other commands never launch anything.
    """
    from trainers.errors import SpecError

    if isinstance(error, OrchestratorError):
        known = error
    elif isinstance(error, SpecError):
        # An error of trainers, which knows no exit codes: the request is wrong.
        known = OrchestratorError()
    else:
        return _explain_unexpected(error)
    if isinstance(error, SpecError):
        print(masked(_listed(error, known.source)), file=sys.stderr)
    else:
        print(f"{'stopped' if known.launched else 'error'}: {masked(str(error))}", file=sys.stderr)
    last = "nothing was launched" if trains and not known.launched else ""
    if last or known.hint:
        print("; ".join(filter(None, [last, known.hint])), file=sys.stderr)
    return known.exit_code


def _explain_unexpected(error: Exception) -> int:
    lines = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    print(f"error: {masked(what)}\nrun again with -v to see where", file=sys.stderr)
    return EXIT_FAILED


def _listed(error: "SpecError", source: str) -> str:
    """The faults of a file, one on each line, with aligned paths."""
    count = "1 fault" if len(error.faults) == 1 else f"{len(error.faults)} faults"
    lines = [f"{source or 'error'}: {count}"]
    width = min(34, max(len(fault.path) for fault in error.faults))
    indent = " " * (width + 4 if width else 2)
    for fault in error.faults:
        path = f"  {fault.path:<{width}}  " if width else "  "
        lines.append(f"{path}{fault.what}")
        if fault.hint:
            lines.append(f"{indent}{fault.hint}")
    return "\n".join(lines)
