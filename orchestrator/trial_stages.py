"""The stages of a trial as plain values; pure: for whoever reads the trial of a run."""

from collections.abc import Mapping
from typing import Any

BEFORE = "before"
"""The key under which a trial says what differs in the stage before it."""


def stages_of(train: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Returns each stage of a trial with all of its keys, from the first to the trial itself.

    A stage before is written as what differs from the stage after it; of `data` each key does so
    for itself.

    Args:
        train: As `TrainSpec.to_mapping` gives it, and as a cell's run has it.
    """
    found = [train]
    while isinstance(before := found[0].get(BEFORE), Mapping) and before:
        after = found[0]
        data = {**_mapping(after.get("data")), **_mapping(before.get("data"))}
        found.insert(0, {**after, BEFORE: None, **before, **({"data": data} if data else {})})
    return tuple(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
