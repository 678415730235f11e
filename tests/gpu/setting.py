"""Where to check, and what a check is: a list of named cases, so that one fails alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

Case = tuple[str, Callable[[], None]]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where to check.

    Args:
        device: The device under test.
        quick: Check one case of each kind alone.
        folder: An empty folder to write to.
    """

    device: torch.device
    quick: bool
    folder: Path

    @property
    def is_timed(self) -> bool:
        """Whether time is short: on a GPU it is, a CPU may be busy with other things."""
        return self.device.type == "cuda"

    def some(self, cases: list[Any]) -> list[Any]:
        """All of them; the first and the last if it shall be quick."""
        return cases[:: max(len(cases) - 1, 1)] if self.quick else cases


@dataclass(frozen=True)
class Check:
    """One line of the result.

    Args:
        name: What is claimed.
        cases: Its cases, by name.
        share: Seconds it may take; what is left then counts as wrong.
    """

    name: str
    cases: Callable[[Setting], list[Case]]
    share: float
