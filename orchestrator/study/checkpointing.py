"""A study's key `checkpoint`: which checkpoints are kept, where, and which go to MLflow."""

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
    """The storage that was asked for cannot hold checkpoints."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpointing(CheckpointPolicy):
    """Which checkpoints a study's trials keep, where, and which are uploaded.

    Args:
        storage: A folder or a URL that fsspec knows; empty: a folder of the home.
        upload: Which checkpoints of a finished cell MLflow gets, as artifacts of its run. last:
            the newest. best: the one with the lowest validation error. all: all that are kept.

    Raises:
        SpecError: If a number is out of range, the storage cannot be used, or the policy keeps
            nothing to upload.
    """

    storage: str = ""
    upload: Upload = "none"

    def __post_init__(self) -> None:
        """Checks the values, and that they fit together."""
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
            what = f"is best, but policy {self.policy} does not keep the best checkpoint"
            faults.append(Fault("upload", what, "write policy: best"))
        elif self.upload != "none" and self.policy == "none":
            what = f"is {self.upload}, but policy none keeps nothing"
            faults.append(Fault("upload", what, "write policy: last"))
        if faults:
            raise SpecError(*faults)


def upload_order(folder: Place, which: Upload) -> str:
    """The journal's note of an upload to do: a folder, and which of its checkpoints."""
    return json.dumps({"folder": str(folder), "which": which})


def place_of(checkpoint: Checkpointing, home: Home, *, asked: str | None) -> Place:
    """Where a study's checkpoints are stored, one folder for each trial.

    Args:
        checkpoint: The study's settings.
        home: Holds the checkpoints if neither the user nor the study names a storage.
        asked: The storage the user names; it takes precedence over the study's.

    Raises:
        StorageError: If a storage is named and cannot be written to.
        SpecError: If the user names a storage that is not valid.
    """
    named = asked or checkpoint.storage
    if not named:
        return home.checkpoints
    place = place_at(named)
    try:
        require_writable(place)
    except OSError as error:
        hint = "check the address, and the keys in the environment (AWS_ACCESS_KEY_ID, ...)"
        raise StorageError(f"cannot write to {place} ({error}); {hint}") from error
    return place
