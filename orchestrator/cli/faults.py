"""How errors are told: where, what, the nearest valid names, what to do."""

import sys

EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED = 1, 2, 130


def explain(error: Exception) -> int:
    """Prints what is wrong to the terminal's error output; the exit code that goes with it."""
    from orchestrator.home import masked
    from trainers.errors import SpecError

    if isinstance(error, SpecError):
        print(_listed(error), file=sys.stderr)
        return EXIT_WRONG
    expected = {"StoreError", "JournalError", "InUseError", "ResourceError", "NoResultsError"}
    expected |= {"UsageError", "StorageError", "NoRoomError"}
    if type(error).__name__ in expected:
        print(f"error: {masked(str(error))}", file=sys.stderr)
        print("nothing was launched", file=sys.stderr)
        return EXIT_WRONG
    if type(error).__name__ == "DiskFullError":
        print(f"stopped: {error}", file=sys.stderr)
        return EXIT_FAILED
    lines = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    print(f"error: {masked(what)}\nrun again with -v to see where", file=sys.stderr)
    return EXIT_FAILED


class UsageError(ValueError):
    """Flags that do not go together."""


def _listed(error: "object") -> str:
    """The faults of a file below each other, paths aligned."""
    from trainers.errors import SpecError

    assert isinstance(error, SpecError)
    source = getattr(error, "source", "")
    count = "1 fault" if len(error.faults) == 1 else f"{len(error.faults)} faults"
    lines = [f"{source}: {count}" if source else f"error: {count}"]
    width = min(34, max(len(fault.path) for fault in error.faults))
    indent = " " * (width + 4 if width else 2)
    for fault in error.faults:
        path = f"  {fault.path:<{width}}  " if width else "  "
        lines.append(f"{path}{fault.what}")
        if fault.hint:
            lines.append(f"{indent}{fault.hint}")
    lines.append("nothing was launched")
    if getattr(error, "is_there", False):
        lines[-1] += f"; check again with: bnn-orchestrate validate {source}"
    return "\n".join(lines)
