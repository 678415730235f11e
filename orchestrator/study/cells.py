"""A cell: a trial at its place in a study's table, with its id; pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.labels import name_of

if TYPE_CHECKING:
    from trainers.spec.train_spec import TrainSpec

ID_VERSION = 1
"""Increase it when the same spec trains differently than before; all trials get new ids."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of a study, checked and ready to train.

    Args:
        train: What the engine trains.
        labels: The cell's place in the study: axis name to label, in the order of the axes.
        epoch_scale: The factor on its epochs, as the user wrote it; empty: no scaling.
    """

    train: "TrainSpec"
    labels: Mapping[str, str]
    epoch_scale: str = ""

    @cached_property
    def id(self) -> str:
        """Hash of what is trained: equal trials have equal ids, in whichever study they are."""
        content = {"version": ID_VERSION, "train": minimal(self.train)}
        if self.epoch_scale:
            content["epoch_scale"] = self.epoch_scale
        return content_hash(content)

    @property
    def name(self) -> str:
        """The labels as a person reads them: `reverse · seed 316`."""
        return name_of(self.labels)


def study_key(name: str, variant_id: str) -> str:
    """The unique key of a study's variant."""
    return f"{name}/{variant_id}"


def minimal(spec: "TrainSpec") -> dict[str, Any]:
    """The canonical trial as plain values, without keys at their default.

    So a trial keeps its id if a study spells out a default, or if a later version adds a key.
    """
    return spec.canonical().without_defaults()


def content_hash(content: object) -> str:
    """Hash of the content as sixteen hexadecimal digits; the order of keys does not matter."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
