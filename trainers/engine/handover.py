"""States that one trial leaves, and that others begin with.

Such a state is a checkpoint in a folder of its own. The folder's name says what the state is: it
is written into the file, and a file that was moved to another folder is not used.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from trainers.engine.checkpoint import Checkpoint, CheckpointPolicy, Checkpoints
from trainers.engine.fit import Task
from trainers.engine.result import EpochMetrics

log = logging.getLogger(__name__)


def left_state(folder: Path) -> Checkpoint | None:
    """The state that was left in a folder; None if there is none that is whole."""
    try:
        return _states(folder).load()
    except OSError as error:
        # Whoever tidies up may do so while we look.
        log.warning("the state in %s cannot be read: %s", folder, error)
        return None


def is_left(folder: Path) -> bool:
    """Whether a state was left in a folder; it is not read."""
    return _states(folder).any


class Leaver:
    """Leaves the state of a trial after certain epochs.

    A state that cannot be written is done without: others can train it themselves.

    Args:
        task: What is trained.
        folders: Where to leave it, by the number of epochs trained.
        name: Marks the epochs for those who begin with them.
        num_restored: Epochs at the beginning that are only told again, the state being later.
    """

    def __init__(
        self, task: Task, folders: Mapping[int, Path], *, name: str, num_restored: int
    ) -> None:
        self.task = task
        self.folders = folders
        self.name = name
        self.num_restored = num_restored
        self.history: list[EpochMetrics] = []

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """Leaves the state if it is time and nobody left it before."""
        self.history.append(metrics)
        folder = self.folders.get(len(self.history))
        if folder is None or len(self.history) < self.num_restored or left_state(folder):
            return
        try:
            self._leave(folder, self.history)
        except OSError as error:
            log.warning("the state could not be left in %s: %s", folder, error)

    def _leave(self, folder: Path, history: Sequence[EpochMetrics]) -> None:
        _states(folder).save(
            model=self.task.model,
            optimizer=self.task.optimizer,
            history=[replace(item, source=item.source or self.name) for item in history],
            best=False,
            last=True,
        )


def _states(folder: Path) -> Checkpoints:
    policy = CheckpointPolicy(policy="every", keep=1)
    return Checkpoints(folder, policy=policy, identity=folder.name)
