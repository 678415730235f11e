"""Shares the first epochs of trials: decides who trains them and who continues from them; pure.

Trials that differ only in the order of their layers train identically until their orders differ.
If the orders agree in their first k layers, they share k times `epochs_per_layer` epochs; then the
next layer turns binary. The checkpoint at that point is a *stem* (shared checkpoint). One trial
saves it and the others start from it; each ends with the same bits as if it had trained alone.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.study.cells import ID_VERSION, Cell, content_hash, minimal
from trainers.spec.train_spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Stem:
    """A shared checkpoint: the state of a trial where its order may differ from others.

    Args:
        id: Hash of what determines the state; equal for all trials that pass through it.
        epochs: Epochs trained up to this state.
    """

    id: str
    epochs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a cell is trained.

    Args:
        key: The cell's key.
        begins: Epochs of the stem it starts from, trained by another cell; 0: from scratch.
        carrier: Key of the cell that saved that stem; None: no stem, or an earlier sweep saved it.
        leaves: Numbers of epochs after which it saves a stem for others.
    """

    key: str
    begins: int = 0
    carrier: str | None = None
    leaves: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """The amount of training, with and without sharing.

    Args:
        stage_trainings: Stages: a stage starts when a layer turns binary and ends when the next
            one does, or with the trial. Trials not trained layer by layer have none.
        stage_trainings_alone: Stages if each trial were trained on its own.
        epochs: Epochs.
        epochs_alone: Epochs if each trial were trained on its own.
    """

    stage_trainings: int
    stage_trainings_alone: int
    epochs: int
    epochs_alone: int

    def __str__(self) -> str:
        """The training with and without sharing, in one line."""
        return (
            f"{self.stage_trainings:,} stage trainings instead of {self.stage_trainings_alone:,}, "
            f"{self.epochs:,} epochs instead of {self.epochs_alone:,}"
        )


def stems(train: TrainSpec) -> tuple[Stem, ...]:
    """The stems that a trial passes, earliest first.

    There is none from the second-to-last layer on: orders that agree so far are equal. A trial
    with a stage before passes none: its first epochs are those of that stage.
    """
    if train.before is not None:
        return ()
    order, per_layer = train.layers.order, train.layers.epochs_per_layer
    if not per_layer or len(order) < 3:
        return ()
    # Keeps the total number of epochs, because a learning rate may depend on it.
    common = minimal(train)
    common["layers"] = {"set": sorted(order), "epochs_per_layer": per_layer}
    return tuple(
        Stem(
            content_hash(
                {
                    "version": ID_VERSION,
                    "train": common,
                    "first": order[:count],
                    "epochs": count * per_layer,
                }
            ),
            count * per_layer,
        )
        for count in range(1, len(order) - 1)
    )


class Beginnings:
    """Hands out cells, each as soon as the stem it starts from exists.

    A cell starts from the latest existing stem on its path. It waits while a running cell will
    save a later one. It saves each stem at which a waiting cell's order departs from its own. So
    shared epochs are trained once, whether cells run in sequence or in parallel. No deadlock: a
    cell waits only for a running cell, so when none runs, all remaining cells are ready.

    Args:
        cells: Key to cell, in the order in which to hand them out.
        available: Ids of stems that already exist.
        drop: Called with the id of each existing stem that no cell needs any longer.
        take: Called with a cell's key before it is handed out. True: hand it out; False: not now;
            None: it is already trained.
        share: False: train every cell on its own.
    """

    def __init__(
        self,
        cells: Mapping[str, Cell],
        *,
        available: Collection[str] = (),
        drop: Callable[[str], None] | None = None,
        take: Callable[[str], bool | None] = lambda key: True,
        share: bool = True,
    ) -> None:
        self._stems = {key: stems(cell.train) if share else () for key, cell in cells.items()}
        self._take = take
        self._waiting = dict.fromkeys(cells)
        self._available: dict[str, str | None] = dict.fromkeys(available)
        self._carriers: dict[str, str] = {}
        self._drop = drop
        # By stem: how many waiting cells, and how many unfinished cells, pass it.
        self._ahead: dict[str, int] = {}
        self._open: dict[str, int] = {}
        for passed in self._stems.values():
            for stem in passed:
                self._ahead[stem.id] = self._open[stem.id] = self._ahead.get(stem.id, 0) + 1

    def __len__(self) -> int:
        """Number of waiting cells."""
        return len(self._waiting)

    def next(self) -> Start | None:
        """Hands out the first cell that is ready and that `take` allows; None: there is none."""
        for key in list(self._waiting):
            num_behind = self._num_behind(key)
            if num_behind is None or (taken := self._take(key)) is False:
                continue
            del self._waiting[key]
            if taken:
                return self._start(key, num_behind)
            self._pass(key)
            self.ended(key, finished=True)
        return None

    def reported(self, key: str, *, epoch: int, available: Iterable[int]) -> None:
        """Notes how many epochs a cell has trained, and after how many it has saved stems."""
        there = set(available)
        for stem in self._stems[key]:
            if self._carriers.get(stem.id) != key or stem.epochs > epoch:
                continue
            # The cell has passed this stem; if it did not save it, it never will.
            del self._carriers[stem.id]
            if stem.epochs in there:
                self._available[stem.id] = key

    def ended(self, key: str, *, finished: bool) -> None:
        """Notes that a cell is trained, or has failed for good."""
        for stem in self._stems[key]:
            if self._carriers.get(stem.id) == key:
                del self._carriers[stem.id]
            # Keeps the stem of a failed cell, which may start from it in a later sweep.
            self._open[stem.id] -= finished
            if self._open[stem.id] == 0 and stem.id in self._available and self._drop is not None:
                self._drop(stem.id)

    def _num_behind(self, key: str) -> int | None:
        """How many stems a cell can skip by starting from the last of them; None: not ready."""
        for count, stem in reversed(list(enumerate(self._stems[key], start=1))):
            if stem.id in self._available:
                return count
            if stem.id in self._carriers:
                return None
        return 0

    def _pass(self, key: str) -> None:
        """Removes the cell from the counts of waiting cells."""
        for stem in self._stems[key]:
            self._ahead[stem.id] -= 1

    def _start(self, key: str, num_behind: int) -> Start:
        """Decides which stem the cell starts from, and which it saves."""
        passed = self._stems[key]
        self._pass(key)
        # Waiting cells that also pass the next stem can start from that one.
        further = {stem.id: self._ahead[after.id] for stem, after in pairwise(passed)}
        leaves = [
            stem for stem in passed[num_behind:] if self._ahead[stem.id] > further.get(stem.id, 0)
        ]
        self._carriers |= dict.fromkeys((stem.id for stem in leaves), key)
        behind = passed[num_behind - 1] if num_behind else None
        return Start(
            key=key,
            begins=behind.epochs if behind else 0,
            carrier=self._available[behind.id] if behind else None,
            leaves=tuple(stem.epochs for stem in leaves),
        )


def starts(cells: Iterable[Cell], *, available: Collection[str] = ()) -> dict[str, Start]:
    """Trial id to how each trial is trained if nothing fails, in sequence or in parallel.

    Args:
        cells: The cells in the order in which they are handed out.
        available: Ids of stems that already exist.
    """
    beginnings = Beginnings({cell.id: cell for cell in cells}, available=available)
    found: dict[str, Start] = {}
    while start := beginnings.next():
        found[start.key] = start
        end = max(start.leaves, default=0)
        beginnings.reported(start.key, epoch=end, available=start.leaves)
        beginnings.ended(start.key, finished=True)
    return found


def amount(cells: Sequence[Cell], begun: Mapping[str, Start]) -> Amount:
    """The amount of training for these cells.

    Args:
        cells: The cells.
        begun: Trial id to how each is trained; a missing one is trained on its own.
    """
    stages = epochs = stages_alone = epochs_alone = 0
    for cell in cells:
        train = cell.train
        begins = begun[cell.id].begins if cell.id in begun else 0
        per_layer = train.layers.epochs_per_layer
        num_stages = len(train.layers.order) if per_layer else 0
        stages_alone += num_stages
        stages += num_stages - (begins // per_layer if per_layer else 0)
        epochs_alone += train.all_epochs
        epochs += train.all_epochs - begins
    return Amount(
        stage_trainings=stages,
        stage_trainings_alone=stages_alone,
        epochs=epochs,
        epochs_alone=epochs_alone,
    )
