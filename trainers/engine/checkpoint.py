"""Checkpoints to resume from: written atomically, verified when read.

A checkpoint is one file, `<kind>-<epoch>-<checksum>.pt`: a torch file without pickled classes,
whose name holds the first 16 hexadecimal digits of its SHA-256. Writes are atomic: see
`trainers.storage`. Failed writes are skipped; unreadable files fall back to the previous one. Both
are reported, and neither ends a trial.
"""

import hashlib
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import nn

from trainers.binding import convert
from trainers.engine.result import EpochMetrics
from trainers.errors import SpecError, require_at_least
from trainers.storage import Place, names, read, remove, write

log = logging.getLogger(__name__)

SCHEMA = 1
_NAME = re.compile(r"(?P<kind>epoch|best)-(?P<epoch>\d{6})-(?P<sha>[0-9a-f]{16})\.pt")

Policy = Literal["none", "last", "best", "every"]
Note = Callable[[str], None]
"""Receives one sentence about each failure that training survives."""

NUM_NEWEST = 2
"""Newest checkpoints kept under `last` and `best`: two, in case one is damaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointPolicy:
    """Which checkpoints a trial keeps.

    Args:
        policy: none: no files. last: the two newest, to resume from. best: these, and the one with
            the lowest validation error among epochs of the final network. every: one every `every`
            epochs, and the last.
        every: Epochs between two checkpoints, for the policy `every`.
        keep: Number of newest checkpoints that the policy `every` keeps; 0: all.
        interval_s: Least time between two writes under `last` and `best`, in seconds. After a
            kill, the epochs since the last write are trained again, to the same bits.

    Raises:
        SpecError: If there is no such policy, or a number is out of range.
    """

    policy: Policy = "none"
    every: int = 1
    keep: int = 0
    interval_s: float = 10.0

    def __post_init__(self) -> None:
        """Checks the name and the numbers."""
        try:
            convert(self.policy, Policy)
        except SpecError as error:
            raise SpecError(*error.under("policy")) from error
        require_at_least(self, {"every": 1, "keep": 0, "interval_s": 0})


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The state a trial resumes from: the epochs so far, and the state after the last one.

    Args:
        history: The epochs so far.
        model: State dict of the model.
        optimizer: State dict of its optimizer.
        added: State of the added parts of the loss; empty if they have none.
    """

    history: tuple[EpochMetrics, ...]
    model: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    added: Mapping[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one trial, in their own folder.

    Args:
        folder: The folder; created with the first checkpoint.
        policy: Which checkpoints to keep.
        identity: Text that is equal for equal trials; files with another identity are not used.
        note: Receives each failed write or read, which is also logged.
    """

    def __init__(
        self,
        folder: Place,
        *,
        policy: CheckpointPolicy,
        identity: str,
        note: Note | None = None,
    ) -> None:
        self.folder = folder
        self.policy = policy
        self.identity = hashlib.sha256(identity.encode()).hexdigest()
        self._tell = note
        self._written_at = -float("inf")
        self._has_failed = False
        self._encoded: list[tuple[EpochMetrics, str]] = []
        """Cache of epochs with their JSON: every later checkpoint contains them."""

    def save(
        self,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        history: Sequence[EpochMetrics],
        best: bool,
        last: bool,
        added: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Writes the checkpoints that are due after an epoch, and deletes old ones.

        If writing fails, the older checkpoints stay, and the next due checkpoint is tried.

        Args:
            model: The model after the epoch.
            optimizer: Its optimizer.
            history: All epochs so far; the last one was just trained.
            best: Whether that epoch has the lowest validation error so far.
            last: Whether that epoch is the trial's last.
            added: State of the added parts of the loss.
        """
        kinds = self._due(epoch=history[-1].epoch, best=best, last=last)
        if not kinds:
            return
        self._written_at = time.monotonic()
        content = self._content(model=model, optimizer=optimizer, history=history, added=added)
        sha = hashlib.sha256(content).hexdigest()[:16]
        written = [f"{kind}-{history[-1].epoch:06d}-{sha}.pt" for kind in kinds]
        try:
            for name in written:
                write(self.folder / name, content)
        except OSError as error:
            what = f"the checkpoint after epoch {len(history)} could not be written"
            self._note_once(f"{what}: {error}; training goes on without it")
            return
        try:
            self._retain(written)
        except OSError as error:
            self._note_once(f"an older checkpoint could not be deleted: {error}")

    def load(self, fits: Callable[[Checkpoint], bool] = lambda found: True) -> Checkpoint | None:
        """Returns the newest usable checkpoint; None if there is none.

        Args:
            fits: Whether a state fits the present model and optimizer.
        """
        try:
            found = sorted(self._files(), key=_epoch_of, reverse=True)
        except OSError as error:
            self._note(f"the checkpoints in {self.folder} cannot be read: {error}")
            return None
        for name in found:
            checkpoint = self._read(name)
            if checkpoint is not None and not fits(checkpoint):
                self._note(f"{self.folder / name} belongs to another network; not used")
            elif checkpoint is not None:
                return checkpoint
        return None

    def load_best(self) -> Checkpoint | None:
        """Returns the usable checkpoint with the lowest validation error; None if none is kept."""
        try:
            found = _of_kind("best", self._files())
        except OSError as error:
            self._note(f"the checkpoints in {self.folder} cannot be read: {error}")
            return None
        read = (self._read(name) for name in reversed(found))
        return next((checkpoint for checkpoint in read if checkpoint is not None), None)

    @property
    def any(self) -> bool:
        """Whether there is a checkpoint file, damaged or not.

        Raises:
            OSError: If the folder cannot be read.
        """
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
        added: Mapping[str, Any],
    ) -> bytes:
        buffer = io.BytesIO()
        state = {
            "schema": SCHEMA,
            "identity": self.identity,
            "history": self._history(history),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        if added:
            state["added"] = dict(added)
        torch.save(state, buffer)
        return buffer.getvalue()

    def _history(self, epochs: Sequence[EpochMetrics]) -> str:
        """Returns the epochs as a JSON list; encodes only those that are new since last time."""
        for number, metrics in enumerate(epochs):
            if number >= len(self._encoded) or self._encoded[number][0] is not metrics:
                self._encoded[number:] = [(metrics, json.dumps(metrics.to_mapping()))]
        return f"[{', '.join(text for _, text in self._encoded[: len(epochs)])}]"

    def _read(self, name: str) -> Checkpoint | None:
        path = self.folder / name
        try:
            content = read(path)
        except OSError as error:
            self._note(f"{path} cannot be read: {error}; not used")
            return None
        if not is_whole(name, content):
            self._note(f"{path} is damaged (its checksum does not fit); not used")
            return None
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            if state["schema"] != SCHEMA or state["identity"] != self.identity:
                self._note(f"{path} belongs to another trial or version; not used")
                return None
            epochs = [EpochMetrics.from_mapping(item) for item in json.loads(state["history"])]
            if [metrics.epoch for metrics in epochs] != list(range(_epoch_of(name) + 1)):
                raise ValueError("its epochs are not those of its name")
            model, optimizer = dict(state["model"]), dict(state["optimizer"])
            added = dict(state.get("added", {}))
        # The file may hold anything; no content may end a trial.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            self._note(f"{path} is not a checkpoint ({reason}); not used")
            return None
        return Checkpoint(history=tuple(epochs), model=model, optimizer=optimizer, added=added)

    def _files(self) -> list[str]:
        """Returns the names of the checkpoints, of each kind the oldest first."""
        return checkpoint_names(names(self.folder))

    def _retain(self, written: Sequence[str]) -> None:
        epoch, found = _epoch_of(written[0]), self._files()
        # `load` rejected any other file of this or a later epoch. If kept, it would count as the
        # newest.
        refused = [name for name in found if _epoch_of(name) >= epoch and name not in written]
        rest = [name for name in found if name not in refused]
        num_newest = self.policy.keep if self.policy.policy == "every" else NUM_NEWEST
        newest = _of_kind("epoch", rest)
        surplus = newest[:-num_newest] if num_newest else []
        for name in [*refused, *surplus, *_of_kind("best", rest)[:-1]]:
            remove(self.folder / name)

    def _note_once(self, text: str) -> None:
        """Notes only the first failure: on a full disk, every later write fails too."""
        if not self._has_failed:
            self._has_failed = True
            self._note(text)

    def _note(self, text: str) -> None:
        log.warning("%s", text)
        if self._tell is not None:
            self._tell(text)


def checkpoint_names(found: Iterable[str]) -> list[str]:
    """Returns the names that are checkpoint names; of each kind the oldest first."""
    return sorted(name for name in found if _NAME.fullmatch(name))


def kept_names(found: Iterable[str], which: Literal["last", "best", "all"]) -> list[str]:
    """Returns the checkpoints of a finished trial that are kept permanently.

    Args:
        found: Names in the trial's folder.
        which: last: the newest. best: the one with the lowest validation error. all: every one.
    """
    files = checkpoint_names(found)
    if which == "all":
        return files
    return _of_kind("epoch" if which == "last" else "best", files)[-1:]


def is_whole(name: str, content: bytes) -> bool:
    """Whether the content matches the checksum in the name."""
    matched = _NAME.fullmatch(name)
    digest = hashlib.sha256(content).hexdigest()
    return matched is not None and digest.startswith(matched["sha"])


def _of_kind(kind: str, found: Sequence[str]) -> list[str]:
    return [name for name in found if name.startswith(kind)]


def _epoch_of(name: str) -> int:
    return int(name.split("-")[1])
