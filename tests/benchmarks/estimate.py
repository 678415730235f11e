"""How far the time that a sweep says is left was from the truth, when a tenth was trained."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Unwatched
from orchestrator.execution.progress import Progress
from orchestrator.execution.sweep import sweep
from orchestrator.home import Home
from orchestrator.launch import Resources
from orchestrator.study.catalog import load_study

SHARE = 0.1
BASE = {
    "model": {"name": "mlp", "widths": [64, 128, 64, 10]},
    "data": {"name": "digits", "batch_size": 32},
    "optimizer": {"name": "adam", "lr": 0.02},
    "layers": {"order": ["fc1", "fc2", "fc3"], "epochs_per_layer": 10},
    "epochs": 30,
    "seed": 7,
}
_NETS = {
    "small": {"model.widths": [64, 32, 16, 10]},
    "long": {"epochs": 90},
    "wide": {"model.widths": [64, 2048, 512, 10]},
}
EQUAL: dict[str, Any] = {
    "study": "equal",
    "question": "How far is the estimate off where all cells cost the same?",
    "base": BASE,
    "axes": [
        {"name": "lr", "sets": "optimizer.lr", "values": [0.01, 0.02, 0.03, 0.04]},
        {"name": "seed", "seeds": list(range(6))},
    ],
    "metric": {"name": "selected/test_error"},
    "matrix": {"rows": "lr", "over": "seed"},
}
UNEQUAL: dict[str, Any] = {
    "study": "unequal",
    "question": "How far is it off for different networks, epochs and shared beginnings?",
    "base": BASE,
    "axes": [
        {"name": "net", "values": _NETS},
        {
            "name": "order",
            "sets": "layers.order",
            "permutations": "all",
            "controls": ["float"],
        },
        {"name": "seed", "seeds": [1]},
    ],
    "metric": {"name": "selected/test_error"},
    "matrix": {"rows": "order", "over": "seed"},
}
STUDIES = {"equal": EQUAL, "unequal": UNEQUAL}
LENGTHS = (1, 6)
"""How many times the epochs above. In a sweep of seconds the starts of cells take much of the
time, and one that takes a second longer is a tenth of it."""


@dataclass
class Said:
    """What was said when a tenth was trained, and what was true."""

    left_s: float = float("nan")
    was_left_s: float = float("nan")
    whole_s: float = float("nan")

    @property
    def error(self) -> float:
        """How far it was off, as a fraction of the truth."""
        return self.left_s / self.was_left_s - 1


class Asking(Unwatched):
    """Asks for the time left once a tenth is trained, and notes when the last cell ends."""

    def __init__(self) -> None:
        self.said = Said()
        self.progress: Progress | None = None
        self.asked_at = self.began_at = 0.0

    def began(self, progress: Progress, board: object) -> None:
        """Keeps what counts the epochs."""
        self.progress, self.began_at = progress, time.monotonic()

    def tick(self, *, waiting: str | None) -> None:
        """Asks once."""
        progress = self.progress
        if progress is None or self.asked_at or progress.epochs_done < SHARE * progress.epochs:
            return
        left = progress.remaining_s
        assert left is not None
        self.said.left_s, self.asked_at = left, time.monotonic()

    def cell_ended(self, name: str, *, objective: float, reason: str | None) -> None:
        """Notes the end of a cell, which may be the last."""
        now = time.monotonic()
        self.said.was_left_s, self.said.whole_s = now - self.asked_at, now - self.began_at


def estimated(name: str, times: int) -> Said:
    """Runs a sweep in a home of its own.

    Args:
        name: One of `STUDIES`.
        times: Multiplies its epochs.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.yaml")
        path.write_text(yaml.safe_dump(_longer(STUDIES[name], times)))
        asking, home = Asking(), Home.at(Path(folder, "home"))
        options = SweepOptions(data_dir=Path(folder, "data"), resources=Resources())
        outcome = sweep(load_study(path), home, options, asking)  # type: ignore[arg-type]
        if outcome.failures or outcome.interrupted:
            raise RuntimeError(f"the sweep {name} did not end as it should")
    return asking.said


def _longer(value: Any, times: int) -> Any:
    if isinstance(value, dict):
        counted = ("epochs", "epochs_per_layer")
        return {
            key: times * item if key in counted else _longer(item, times)
            for key, item in value.items()
        }
    return [_longer(item, times) for item in value] if isinstance(value, list) else value
