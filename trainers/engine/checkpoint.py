"""State to resume from: written whole or not at all, checked when read.

A checkpoint is one file, `<kind>-<epoch>-<checksum>.pt`: a torch file without pickled classes
whose name carries the first 16 hexadecimal digits of its SHA-256. It is written under another
name, flushed and renamed, so that a reader never meets half of one.
"""

import hashlib
import io
import json
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from trainers.engine.result import EpochMetrics
from trainers.errors import require_at_least

log = logging.getLogger(__name__)

SCHEMA = 1
_NAME = re.compile(r"(?P<kind>epoch|best)-(?P<epoch>\d{6})-(?P<sha>[0-9a-f]{16})\.pt")

Policy = Literal["none", "last", "best", "every"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointPolicy:
    """Which checkpoints a trial keeps.

    Args:
        policy: none: no files. last: the newest, to go on from. best: the newest, and the one of
            the lowest validation error among epochs of the final network. every: one each `every`
            epochs, and the last.
        every: Epochs between two, for `every`.
        keep: How many of `every` stay, the newest; 0: all.
        interval_s: Under `last` and `best`, the newest is renewed at most this often, in seconds;
            what was trained since is trained again after a kill, to the same bits.

    Raises:
        SpecError: If a number is out of range.
    """

    policy: Policy = "none"
    every: int = 1
    keep: int = 0
    interval_s: float = 10.0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        require_at_least(self, {"every": 1, "keep": 0, "interval_s": 0})


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a trial goes on from: the epochs so far, and the state after the last of them."""

    history: tuple[EpochMetrics, ...]
    model: Mapping[str, Any]
    optimizer: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one trial, in a folder of their own.

    Args:
        folder: Where they lie; made when the first is written.
        policy: Which are kept.
        identity: Text that is equal for equal trials; a file of another one is not used.
    """

    def __init__(self, folder: Path, *, policy: CheckpointPolicy, identity: str) -> None:
        self.folder = folder
        self.policy = policy
        self.identity = hashlib.sha256(identity.encode()).hexdigest()
        self._written_at = -float("inf")

    def save(
        self,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        history: Sequence[EpochMetrics],
        best: bool,
        last: bool,
    ) -> None:
        """Writes what the policy asks for after an epoch, and deletes what it no longer keeps.

        Args:
            model: The model after the epoch.
            optimizer: Its optimizer.
            history: All epochs so far; the last of them is the one just trained.
            best: Whether that epoch is the one to report so far.
            last: Whether it is the trial's last.
        """
        kinds = self._due(epoch=history[-1].epoch, best=best, last=last)
        if not kinds:
            return
        content = self._content(model=model, optimizer=optimizer, history=history)
        sha = hashlib.sha256(content).hexdigest()[:16]
        written = [self.folder / f"{kind}-{history[-1].epoch:06d}-{sha}.pt" for kind in kinds]
        for path in written:
            write_atomically(path, content)
        self._written_at = time.monotonic()
        self._retain(written)

    def load(self) -> Checkpoint | None:
        """The newest checkpoint that is whole and of this trial; None if there is none."""
        for path in sorted(self._files(), key=_epoch_of, reverse=True):
            checkpoint = self._read(path)
            if checkpoint is not None:
                return checkpoint
        return None

    def load_best(self) -> Checkpoint | None:
        """That of the lowest validation error, if it is kept, whole and of this trial."""
        found = (self._read(path) for path in reversed(self._files("best")))
        return next((checkpoint for checkpoint in found if checkpoint is not None), None)

    @property
    def any(self) -> bool:
        """Whether there is a file, whole or not."""
        return bool(self._files())

    def _due(self, *, epoch: int, best: bool, last: bool) -> list[str]:
        policy = self.policy
        if policy.policy == "none":
            return []
        if policy.policy == "every":
            return ["epoch"] if last or (epoch + 1) % policy.every == 0 else []
        due = last or time.monotonic() - self._written_at >= policy.interval_s
        kinds = ["epoch"] if due else []
        return [*kinds, "best"] if best and policy.policy == "best" else kinds

    def _content(
        self,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        history: Sequence[EpochMetrics],
    ) -> bytes:
        buffer = io.BytesIO()
        state = {
            "schema": SCHEMA,
            "identity": self.identity,
            "history": json.dumps([metrics.to_mapping() for metrics in history]),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        torch.save(state, buffer)
        return buffer.getvalue()

    def _read(self, path: Path) -> Checkpoint | None:
        matched = _NAME.fullmatch(path.name)
        assert matched
        content = path.read_bytes()
        if not hashlib.sha256(content).hexdigest().startswith(matched["sha"]):
            log.warning("%s is damaged (its checksum does not fit); not used", path)
            return None
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state["schema"] != SCHEMA or state["identity"] != self.identity:
            log.warning("%s belongs to another trial or version; not used", path)
            return None
        history = tuple(EpochMetrics.from_mapping(item) for item in json.loads(state["history"]))
        return Checkpoint(history=history, model=state["model"], optimizer=state["optimizer"])

    def _files(self, kind: str = "") -> list[Path]:
        """The checkpoints of that kind (all, without one), oldest first."""
        if not self.folder.is_dir():
            return []
        names = (path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))
        return sorted(path for path in names if path.name.startswith(kind))

    def _retain(self, written: Sequence[Path]) -> None:
        epoch = _epoch_of(written[0])
        for path in self._files():
            # `load` refused a file of this or a later epoch: it would pass for the newest.
            if _epoch_of(path) >= epoch and path not in written:
                path.unlink(missing_ok=True)
        num_newest = self.policy.keep if self.policy.policy == "every" else 1
        surplus = self._files("epoch")[:-num_newest] if num_newest else []
        for path in [*surplus, *self._files("best")[:-1]]:
            path.unlink(missing_ok=True)


def _epoch_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that at any moment it is either whole or not there.

    Raises:
        OSError: If it cannot be written; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
