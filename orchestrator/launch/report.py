"""A worker's report to the driver: typed at both ends, plain on its way through Ray Tune."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator import vocabulary
from orchestrator.launch.metrics import Series


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochReport:
    """The measurements of a cell since its last report, and how far it is.

    Args:
        epoch: Epochs behind the cell.
        points: The curves' values of each new epoch.
        summary: The cell's summary, should it end here: a scheduler may stop it at any report.
        objective: The value that searchers and schedulers compare; lower is better.
        inherited: Epochs that other cells trained, by the names of these cells.
        available: Numbers of epochs after which the cell has saved a stem for others.
        notes: What went wrong so far without ending the cell.
        weights_sha256: Digest of the final weights; empty: the cell goes on.
        began_from: For each stage before, which of its epochs handed on its weights.
    """

    epoch: int
    points: tuple[Series, ...]
    summary: Series
    objective: float
    inherited: Mapping[str, int] = field(default_factory=dict)
    available: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    weights_sha256: str = ""
    began_from: tuple[str, ...] = ()

    @property
    def is_last(self) -> bool:
        """Whether the cell is trained to its end."""
        return bool(self.weights_sha256)

    @property
    def num_inherited(self) -> int:
        """Epochs that other cells trained; they are the first ones."""
        return sum(self.inherited.values())

    @property
    def inherited_text(self) -> str:
        """Who trained the inherited epochs: `20 epochs from forward`; empty: there are none."""
        return ", ".join(f"{num} epochs from {name}" for name, num in self.inherited.items())

    def to_plain(self) -> dict[str, Any]:
        """The report as Tune takes it: numbers, texts and lists.

        Tune compares reports by the objective, counts by the epoch, and ends a trial by `done`.
        """
        plain: dict[str, Any] = {
            vocabulary.OBJECTIVE: self.objective,
            "epoch": self.epoch,
            "points": [_plain(series) for series in self.points],
            "summary": _plain(self.summary),
            # No dict: to a searcher Tune gives its items in place of it.
            "inherited": [[name, num] for name, num in self.inherited.items()],
            "available": list(self.available),
            "notes": list(self.notes),
            "began_from": list(self.began_from),
        }
        if self.is_last:
            plain |= {"done": True, "weights_sha256": self.weights_sha256}
        return plain

    @classmethod
    def from_result(cls, result: Mapping[str, Any] | None) -> "EpochReport | None":
        """The report in a result of Tune, which adds keys of its own; None: it holds none."""
        if not result or "points" not in result:
            return None
        return cls(
            epoch=result["epoch"],
            points=tuple(Series(*item) for item in result["points"]),
            summary=Series(*result["summary"]),
            objective=result[vocabulary.OBJECTIVE],
            inherited=dict(result["inherited"]),
            available=tuple(result["available"]),
            notes=tuple(result["notes"]),
            weights_sha256=result.get("weights_sha256", ""),
            began_from=tuple(result["began_from"]),
        )


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A cell gives its place back: its share of a GPU's memory does not suffice beside others.

    Args:
        reason: What was asked for.
    """

    reason: str

    def to_plain(self) -> dict[str, Any]:
        """The report as Tune takes it; it ends the trial of Tune, with no failure."""
        # Before any epoch, so no scheduler compares it.
        plain = {vocabulary.OBJECTIVE: math.inf, "epoch": 0}
        return {**plain, "gave_back": self.reason, "done": True}

    @classmethod
    def from_result(cls, result: Mapping[str, Any] | None) -> "GivenBack | None":
        """The report in a result of Tune; None: it holds none."""
        return cls(result["gave_back"]) if result and "gave_back" in result else None


def _plain(series: Series) -> list[object]:
    return [series.step, series.time_ms, dict(series.values)]
