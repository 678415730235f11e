"""What a trial's epochs cost depends on: their kind, and how many layers are binary; pure."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.trial_stages import BEFORE, stages_of

CHEAP = ("seed", "epochs", "layers", "lr_schedule", "lr_batch", "init", BEFORE)
"""Keys of a trial that change its results, and not how long an epoch takes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Epochs that take about equally long.

    Args:
        training: Identifies network, data, batch and all else that an epoch's work depends on.
        binary: How many layers are binary.
    """

    training: str
    binary: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Epochs of one kind that follow each other."""

    kind: Kind
    epochs: int


Work = tuple[Stretch, ...]


def work_of(train: Mapping[str, Any]) -> Work:
    """The epochs of a trial, from its first to its last, with those of the stages before.

    Args:
        train: As `TrainSpec.to_mapping` gives it, and as a cell's run has it.
    """
    return tuple(stretch for stage in stages_of(train) for stretch in _stretches(stage))


def _stretches(train: Mapping[str, Any]) -> Work:
    training, layers, epochs = training_of(train), train["layers"], int(train["epochs"])
    num, each = len(layers.get("order", ())), int(layers.get("epochs_per_layer", 0))
    found: list[Stretch] = []
    if num and each:
        for binary in range(1, num + 1):
            # The last stretch lasts to the end.
            last = epochs if binary == num else min(binary * each, epochs)
            first = (binary - 1) * each
            if last > first:
                found.append(Stretch(Kind(training, binary), last - first))
    else:
        found.append(Stretch(Kind(training, num), epochs))
    return tuple(found)


def training_of(train: Mapping[str, Any]) -> str:
    """What the work of an epoch depends on, as text."""
    kept = {key: value for key, value in train.items() if key not in CHEAP}
    # Neither its rate nor its other numbers change what an optimizer does.
    kept["optimizer"] = train["optimizer"]["name"]
    # Thousands of cells share few of these texts.
    return sys.intern(json.dumps(kept, sort_keys=True))


def part(work: Work, first: int, last: int | None = None) -> Work:
    """The stretches of some of a trial's epochs: from `first` on, up to `last` without it."""
    found, at = [], 0
    for stretch in work:
        end = at + stretch.epochs
        most = end if last is None else min(end, last)
        if (num := most - max(at, first)) > 0:
            found.append(Stretch(stretch.kind, num))
        at = end
    return tuple(found)


def kind_at(work: Work, epoch: int) -> Kind:
    """The kind of one of a trial's epochs, counted from 0; after the last, that of the last."""
    at = 0
    for stretch in work:
        at += stretch.epochs
        if epoch < at:
            return stretch.kind
    return work[-1].kind
