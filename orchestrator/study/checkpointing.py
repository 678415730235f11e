"""What a study says of checkpoints: which are kept, where, and which go to MLflow."""

import json
from dataclasses import dataclass
from typing import Literal

from orchestrator.errors import OrchestratorError
from orchestrator.home import Home
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.errors import Fault, SpecError
from trainers.storage import Place, place_at, require_writable

Upload = Literal["none", "last", "best", "all"]


class StorageError(OrchestratorError):
    """Checkpoints cannot be kept where they were asked to be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpointing(CheckpointPolicy):
    """Which checkpoints a study's trials keep, and what becomes of them.

    Args:
        storage: A folder or a URL that fsspec knows; empty: the home's own folder.
        upload: What MLflow gets of a finished cell, as artifacts of its run. last: the newest.
            best: that of the lowest validation error. all: whatever the policy kept.

    Raises:
        SpecError: If a number is out of range, the storage cannot be used, or there will be
            nothing to upload.
    """

    storage: str = ""
    upload: Upload = "none"

    def __post_init__(self) -> None:
        """Checks the parts, and that they go together."""
        faults: list[Fault] = []
        try:
            CheckpointPolicy.__post_init__(self)
        except SpecError as error:
            faults += error.faults
        try:
            place_at(self.storage)
        except SpecError as error:
            faults += error.under("storage")
        if self.upload == "best" and self.policy != "best":
            what = f"is best, but policy {self.policy} does not keep that one"
            faults.append(Fault("upload", what, "write policy: best"))
        elif self.upload != "none" and self.policy == "none":
            what = f"is {self.upload}, but policy none keeps nothing"
            faults.append(Fault("upload", what, "write policy: last"))
        if faults:
            raise SpecError(*faults)


def upload_order(folder: Place, which: Upload) -> str:
    """What the journal keeps until it is done: which of a folder's checkpoints MLflow gets."""
    return json.dumps({"folder": str(folder), "which": which})


def place_of(checkpoint: Checkpointing, home: Home, *, asked: str | None) -> Place:
    """Where a study's checkpoints lie, a folder a trial.

    Args:
        checkpoint: What the study says.
        home: Where they lie if nobody says anything.
        asked: What the user says; it comes before the study.

    Raises:
        StorageError: If a storage was named and nothing can be written there.
        SpecError: If what the user says cannot be used.
    """
    named = asked or checkpoint.storage
    if not named:
        return home.checkpoints
    place = place_at(named)
    try:
        require_writable(place)
    except OSError as error:
        hint = "check the address, and the keys in the environment (AWS_ACCESS_KEY_ID, ...)"
        raise StorageError(f"nothing can be written to {place} ({error}); {hint}") from error
    return place
