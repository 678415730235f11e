"""What was tried and what became of it: printed at the end, kept by `make faults`."""

import json
import os
import platform
import time
from pathlib import Path

from orchestrator.environment import environment

RESULTS = Path(__file__).resolve().parents[1] / "results"

Figure = str | int | float


class Ledger:
    """Figures of one run of the tests."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Figure]] = {}

    def note(self, what: str, **figures: Figure) -> None:
        """Adds a line; names of figures are written with spaces."""
        named = {name.replace("_", " "): value for name, value in figures.items()}
        self.entries.setdefault(what, {}).update(named)

    def lines(self) -> list[str]:
        """One line a fault."""
        return [
            f"{what}: " + ", ".join(f"{name} {shown(value)}" for name, value in figures.items())
            for what, figures in self.entries.items()
        ]

    def keep(self, *, seed: int) -> Path:
        """Writes the file of this machine; what did not run now keeps its older figures."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{platform.machine()}-{os.cpu_count()}cpu.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        date = time.strftime("%Y-%m-%d")
        dated = {
            what: {**figures, "seed": seed, "date": date} for what, figures in self.entries.items()
        }
        made = environment()
        packages = made["packages"]
        assert isinstance(packages, dict)
        versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "ray", "mlflow"))
        machine = f"{os.cpu_count()} cores of {made['processor']}, {versions}"
        text = json.dumps({"machine": machine, **before, **dated}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
        return path


def shown(value: Figure) -> str:
    """A figure as a person reads it."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else value
