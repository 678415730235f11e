"""States that one trial leaves, and that others begin with.

Such a state is a checkpoint in a folder of its own. The folder's name says what the state is: it
is written into the file, and a file that was moved to another folder is not used.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from trainers.engine.checkpoint import Checkpoint, CheckpointPolicy, Checkpoints, Note
from trainers.engine.fit import Task
from trainers.engine.result import EpochMetrics
from trainers.storage import Place


def left_state(
    folder: Place,
    *,
    fits: Callable[[Checkpoint], bool] = lambda found: True,
    note: Note | None = None,
) -> Checkpoint | None:
    """The state that was left in a folder; None if there is none that can be used.

    Args:
        folder: Where.
        fits: As `Checkpoints.load` takes it.
        note: Told why one cannot be used.
    """
    return _states(folder, note).load(fits)


def is_left(folder: Place) -> bool:
    """Whether a state was left in a folder, and can be seen from here; it is not read."""
    try:
        return _states(folder).any
    except OSError:
        return False


class Leaver:
    """Leaves the state of a trial after certain epochs.

    A state that cannot be written is done without: others can train it themselves.

    Args:
        task: What is trained.
        folders: Where to leave it, by the number of epochs trained.
        name: Marks the epochs for those who begin with them.
        num_restored: Epochs at the beginning that are only told again, the state being later.
        note: Told what could not be left.
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
        """Leaves the state if it is time and nobody left it before."""
        self.history.append(metrics)
        folder = self.folders.get(len(self.history))
        if folder is None or len(self.history) < self.num_restored or left_state(folder):
            return
        _states(folder, self.note).save(
            model=self.task.model,
            optimizer=self.task.optimizer,
            history=[replace(item, source=item.source or self.name) for item in self.history],
            best=False,
            last=True,
        )


def _states(folder: Place, note: Note | None = None) -> Checkpoints:
    policy = CheckpointPolicy(policy="every", keep=1)
    return Checkpoints(folder, policy=policy, identity=folder.name, note=note)
