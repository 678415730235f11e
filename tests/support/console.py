"""The examples of a page: commands as a user types them, and what they print."""

import re
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = " ..."
"""A line of an example that stands for lines that are not shown."""


@dataclass(frozen=True)
class Example:
    """A command of a page.

    Args:
        command: As typed.
        output: What the page shows of its output; empty: nothing.
    """

    command: str
    output: str


def examples(page: Path) -> list[Example]:
    """The commands in a page's blocks `console`, in order."""
    blocks = re.findall(r"(?ms)^```console\n(.*?)^```$", page.read_text("utf-8"))
    found: list[Example] = []
    for block in blocks:
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = part.partition("\n")
            found.append(Example(command.partition("  #")[0].strip(), output.strip("\n")))
    return found


def masked(text: str) -> list[str]:
    """The lines of an output without what differs between machines.

    Blanks are made one, numbers with their units N, verdicts V, and rulers one sign.
    """
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("waiting for ")]
    for found, shown in _MASKS.items():
        lines = [re.sub(found, shown, line) for line in lines]
    return lines


_MASKS = {
    r"[-+]?\d[\d,.]*( (min|h|d|s|MB|GB|kB)\b)?": "N",
    "(cannot be told apart|differs) from": "V",
    "─+": "─",
}


def fits(shown: str, printed: str) -> bool:
    """Whether an output is what a page shows, but for numbers and lines that are left out."""
    parts = [masked(part) for part in re.split(rf"(?m)^{re.escape(LEFT_OUT)}$", shown)]
    lines, at = masked(printed), 0
    for number, part in enumerate(parts):
        starts = range(at, len(lines) - len(part) + 1) if number else (at,)
        found = [start for start in starts if lines[start : start + len(part)] == part]
        if not found:
            return False
        at = (found[-1] if number == len(parts) - 1 else found[0]) + len(part)
    return at == len(lines) or not parts[-1]
