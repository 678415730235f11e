"""What a result says of the code that trained it, and whether that is this code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from orchestrator.fingerprint.shipped import Shipped, shipped
from orchestrator.fingerprint.sources import PACKAGE, Sources, installed

EARLIER: Mapping[str, str] = {"2c97e19b258dc8e2": "results-1"}
"""Before this kind of fingerprint there was one of every byte of `trainers`.

This is that of commit 6511507, which trains the same bits as all units of number 1: the goldens in
tests/trainers/golden held when the first list of them was written.
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a result says of the code that trained it.

    As text `results-1`; or, where sources are not as they were shipped, with each and its digest:
    `results-1 engine/fit.py=3fa9c1d2e4b5a697`.

    Args:
        results: The highest number of the results of its units, those as they were shipped.
        others: The digests of its other units.
    """

    results: int
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Origin | None":
        """What the text says; None: nothing that is known here."""
        head, *others = EARLIER.get(text, text).split(" ")
        found = re.fullmatch(r"results-(\d+)", head)
        if found is None or not all("=" in other for other in others):
            return None
        return cls(int(found[1]), dict(other.split("=", 1) for other in others))

    def __str__(self) -> str:
        """The text that `read` reads."""
        others = (f"{name}={digest}" for name, digest in sorted(self.others.items()))
        return " ".join([f"results-{self.results}", *others])


class Code:
    """The code of this process.

    Args:
        sources: Those of `trainers`.
        shipped: The units as they were shipped with this version.
    """

    def __init__(self, sources: Sources, shipped: Mapping[str, Shipped]) -> None:
        self.sources, self.shipped = sources, shipped

    def units(self, *trials: Mapping[str, Any]) -> dict[str, str]:
        """The digests of the units that trials use, by name.

        Args:
            trials: Their plain values, as `TrainSpec.to_mapping` gives them.
        """
        found: dict[str, str] = {}
        for trial in trials:
            found |= self.sources.used_by(trial)
        return dict(sorted(found.items()))

    def of(self, *trials: Mapping[str, Any]) -> str:
        """What results of these trials say of the code, if it trains them."""
        units = self.units(*trials)
        numbers = self._numbers(units)
        others = {name: digest for name, digest in units.items() if name not in numbers}
        return str(Origin(max(numbers.values(), default=0), others))

    def is_same(self, origin: str, trial: Mapping[str, Any]) -> bool:
        """Whether code that left this text trains the trial to the same result.

        Where a result says nothing of its code, it does.
        """
        return not origin or self.changes(origin, trial) == ()

    def changes(self, origin: str, trial: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The files of a trial's code that changed; None: some did, and it is not known which."""
        before = Origin.read(origin)
        if before is None:
            return None
        units = self.sources.used_by(trial)
        changed = {name for name, digest in before.others.items() if units.get(name) != digest}
        rest = {name: units[name] for name in units if name not in before.others}
        numbers = self._numbers(rest)
        changed |= rest.keys() - numbers.keys()
        if not changed and max(numbers.values(), default=0) < before.results:
            return None
        changed |= {name for name, results in numbers.items() if results > before.results}
        return tuple(sorted({f"{PACKAGE}/{name.partition(':')[0]}" for name in changed}))

    def _numbers(self, units: Mapping[str, str]) -> dict[str, int]:
        """The numbers of the results of those units that are as they were shipped."""
        listed = {name: self.shipped[name] for name in units if name in self.shipped}
        return {name: unit.results for name, unit in listed.items() if unit.digest == units[name]}


@cache
def this_code() -> Code:
    """The code that is installed here."""
    return Code(installed(), shipped())
