"""A trial at its place in a study's table, and what identifies it; pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainers.spec.train_spec import TrainSpec

ID_VERSION = 1
"""Raised when the same words come to mean another training; every trial then gets a new id."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of a study, checked and ready to train.

    Args:
        train: What the engine trains.
        labels: The cell's place in the study: axis name to label, in the order of the axes.
        epoch_scale: The factor its epochs were shrunk by, as the user wrote it; empty: none.
    """

    train: TrainSpec
    labels: Mapping[str, str]
    epoch_scale: str = ""

    @cached_property
    def id(self) -> str:
        """Hash of what is trained: equal for equal trials, whichever study asks for them."""
        content = {"version": ID_VERSION, "train": minimal(self.train)}
        if self.epoch_scale:
            content["epoch_scale"] = self.epoch_scale
        return content_hash(content)

    @property
    def name(self) -> str:
        """The labels as a person reads them: `reverse · seed 316`."""
        parts = (
            f"{axis} {label}" if _bare(label) else label for axis, label in self.labels.items()
        )
        return " · ".join(parts)


def study_key(name: str, variant_id: str) -> str:
    """Unique key of a study's variant."""
    return f"{name}/{variant_id}"


def minimal(spec: TrainSpec) -> dict[str, Any]:
    """The canonical trial as plain values, without keys that have their default.

    So neither writing a default down nor a key added to the language later makes another trial.
    """
    return without_defaults(spec.canonical().to_mapping())


def without_defaults(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a trial, without keys that have their default."""
    defaults: Mapping[str, object] = {
        "lr_schedule": {"name": "constant"},
        "loss": {"name": "cross_entropy"},
        "weights": {"name": "sign"},
        "precision": "float32",
        "latent_at_eval": "keep",
        "measure_test": True,
    }
    kept = {key: value for key, value in mapping.items() if defaults.get(key) != value}
    if kept["data"].get("eval_batch_size") == 1000:
        kept["data"] = {k: v for k, v in kept["data"].items() if k != "eval_batch_size"}
    return kept


def content_hash(content: object) -> str:
    """Sixteen hexadecimal digits that depend on the content alone, not on the order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _bare(label: str) -> bool:
    """Whether a label says nothing without its axis: a number."""
    return label.replace(".", "", 1).replace("e-", "", 1).isdecimal()
