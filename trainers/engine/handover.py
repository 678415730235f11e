"""Shared checkpoints: one trial writes them, other trials start from them.

Each shared checkpoint has its own folder. The folder's name identifies the state: it is written
into the file, so a file moved to another folder is not used.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from trainers.engine.added import state_of
from trainers.engine.checkpoint import Checkpoint, CheckpointPolicy, Checkpoints, Note
from trainers.engine.result import EpochMetrics
from trainers.engine.task import Task
from trainers.storage import Place


def shared_checkpoint(
    folder: Place,
    *,
    fits: Callable[[Checkpoint], bool] = lambda found: True,
    note: Note | None = None,
) -> Checkpoint | None:
    """Reads the shared checkpoint in a folder; None if there is no usable one.

    Args:
        folder: The folder.
        fits: As in `Checkpoints.load`.
        note: Receives why a file is not used.
    """
    return _checkpoints(folder, note).load(fits)


def is_available(folder: Place) -> bool:
    """Whether a folder has a checkpoint that this process can see; does not read it."""
    try:
        return _checkpoints(folder).any
    except OSError:
        return False


class Sharer:
    """Writes shared checkpoints of a trial after certain epochs.

    Failed writes are skipped: other trials can train these epochs themselves.

    Args:
        task: What is trained.
        folders: Folders of the checkpoints, by the number of epochs trained.
        name: Name of this trial, which marks its epochs in the checkpoints.
        num_restored: Epochs at the beginning that are only reported again, because the trial
            resumed after them.
        note: Receives each failed write.
    """

    def __init__(
        self,
        task: Task,
        folders: Mapping[int, Place],
        *,
        name: str,
        num_restored: int,
        note: Note | None = None,
    ) -> None:
        self.task = task
        self.folders = folders
        self.name = name
        self.num_restored = num_restored
        self.note = note
        self.history: list[EpochMetrics] = []

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """Writes the checkpoint if it is due and no usable one exists."""
        self.history.append(metrics)
        folder = self.folders.get(len(self.history))
        if folder is None or len(self.history) < self.num_restored or shared_checkpoint(folder):
            return
        _checkpoints(folder, self.note).save(
            model=self.task.model,
            optimizer=self.task.optimizer,
            history=[replace(item, source=item.source or self.name) for item in self.history],
            best=False,
            last=True,
            added=state_of(self.task.added),
        )


def _checkpoints(folder: Place, note: Note | None = None) -> Checkpoints:
    policy = CheckpointPolicy(policy="every", keep=1)
    return Checkpoints(folder, policy=policy, identity=folder.name, note=note)
