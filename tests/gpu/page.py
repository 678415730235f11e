"""The page of results: tables between two marks, with the card, the versions and the date."""

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torchvision

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "gpu.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"


@dataclass(frozen=True)
class Table:
    """A table, what follows from it, and what could not be measured.

    Args:
        title: What its rows have in common.
        head: Names of the columns.
        rows: Its cells as text.
        failures: What failed, and how.
        finding: A sentence below it; may be empty.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    failures: list[tuple[str, str]] = field(default_factory=list)
    finding: str = ""

    def text(self) -> str:
        """The table as Markdown."""
        lines = [f"### {self.title}", "", _row(self.head), _row(["---"] * len(self.head))]
        lines += [_row(cells) for cells in self.rows]
        return "\n".join([*lines, "", *([self.finding, ""] if self.finding else [])])


def text(
    lines: Sequence[str],
    failures: Sequence[tuple[str, str]],
    tables: Sequence[Table],
    *,
    device: torch.device,
    quick: bool,
    taken: float,
) -> str:
    """What stands between the marks.

    Args:
        lines: The checks, one line each.
        failures: What failed, and how.
        tables: What was measured.
        device: Where.
        quick: Whether it was little of everything.
        taken: Seconds it took.
    """
    parts = [f"{machine(device)}; {time.strftime('%Y-%m-%d')}; {taken:.0f} s in all.", ""]
    if quick:
        parts += ["**Quick: with small networks and batches. No figure here says anything.**", ""]
    verdict = "Nothing failed." if not failures else f"**{len(failures)} failed:**"
    parts += [verdict, "", *(f"- {what}" for what, _ in failures), *[""] * bool(failures)]
    parts += [*(f"- {line}" for line in lines), *[""] * bool(lines)]
    return "\n".join([*parts, *(table.text() for table in tables)])


def machine(device: torch.device) -> str:
    """Card, driver and versions in one line."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, "
    versions += f"torchvision {torchvision.__version__}"
    if device.type != "cuda":
        return f"**No GPU: a CPU**, {platform.machine()}; {versions}"
    name = torch.cuda.get_device_name(device)
    memory = torch.cuda.get_device_properties(device).total_memory / 2**30
    return f"{name}, {memory:.0f} GiB; driver {_driver()}; CUDA {torch.version.cuda}; {versions}"


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.split("\n")[0].strip() or "unknown"


def fault(path: Path) -> str:
    """Why results cannot be written to a page; empty if they can."""
    try:
        page = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "" if os.access(path.parent, os.W_OK) else f"{path.parent} cannot be written"
    except (OSError, UnicodeDecodeError) as error:
        return f"{path} cannot be read: {error}"
    if not os.access(path, os.W_OK):
        return f"{path} cannot be written"
    if END not in page.partition(BEGIN)[2]:
        return f"{path} has no place for results: {BEGIN} ... {END}"
    return ""


def write(path: Path, content: str) -> None:
    """Puts the content between the marks of a page that has no `fault`.

    A page that does not exist has only that.
    """
    page = path.read_text(encoding="utf-8") if path.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    path.write_text(f"{before}{begin}\n\n{content}\n{end}{after}", encoding="utf-8")


def told(error: Exception) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"    {type(error).__name__}: {lines[0][:200]}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
