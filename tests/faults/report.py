"""Writes the figures of `make faults` into docs/reliability.md, and prints them.

python tests/faults/report.py
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from world.ledger import RESULTS, shown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def table() -> str:
    """The figures of all machines as Markdown."""
    parts: list[str] = []
    for path in sorted(RESULTS.glob("*.json")):
        entries = json.loads(path.read_text(encoding="utf-8"))
        parts += [
            f"On {entries.pop('machine')}:",
            "",
            "| what | figures | date, seed |",
            "| --- | --- | --- |",
        ]
        for what, figures in entries.items():
            when = f"{figures.pop('date')}, {figures.pop('seed')}"
            told = "; ".join(f"{name}: {shown(value)}" for name, value in figures.items())
            parts.append(f"| {what} | {told} | {when} |")
        parts.append("")
    return "\n".join(parts) or "None yet: `make faults` writes them.\n"


def main() -> None:
    """Puts the table between the marks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has no place for figures: {BEGIN} ... {END}")
    figures = table()
    PAGE.write_text(f"{before}{begin}\n\n{figures}\n{end}{after}", encoding="utf-8")
    print(figures)


if __name__ == "__main__":
    main()
