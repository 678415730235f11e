"""Beginnings that trials have in common: who trains them, and who goes on from them; pure.

Trials that differ in the order of their layers alone train alike until their orders part. If the
orders agree in their first k layers, that is for k times `epochs_per_layer` epochs: then the next
layer turns binary. The state at that point is a *stem*. One trial leaves it on its way, the others
begin with it; each ends with the bits it would have ended with alone.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.study.cells import ID_VERSION, Cell, content_hash, minimal
from trainers.spec.train_spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Stem:
    """The state of a trial where its order may part from others.

    Args:
        id: Hash of what determines the state: equal for all trials that pass through it.
        epochs: Trained until there.
    """

    id: str
    epochs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a cell is trained.

    Args:
        key: The cell.
        begins: Epochs it begins with, which another cell trained; 0: it begins at the beginning.
        carrier: The cell whose state it begins with; None: there is none, or an earlier sweep
            left it.
        leaves: Numbers of epochs after which it leaves its state for others.
    """

    key: str
    begins: int = 0
    carrier: str | None = None
    leaves: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """How much there is to train.

    Args:
        stage_trainings: Stages, those between two layers that turn binary, and that after the
            last one; trials that are not trained layer by layer have none.
        stage_trainings_alone: The same, were each trial trained on its own.
        epochs: Epochs.
        epochs_alone: The same, were each trial trained on its own.
    """

    stage_trainings: int
    stage_trainings_alone: int
    epochs: int
    epochs_alone: int

    def __str__(self) -> str:
        """What is saved, in one line."""
        return (
            f"{self.stage_trainings:,} stage trainings instead of {self.stage_trainings_alone:,}, "
            f"{self.epochs:,} epochs instead of {self.epochs_alone:,}"
        )


def stems(train: TrainSpec) -> tuple[Stem, ...]:
    """The stems on a trial's way, the earliest first.

    None after its last layer but one: an order that agrees so far is the same order.
    """
    order, per_layer = train.layers.order, train.layers.epochs_per_layer
    if not per_layer or len(order) < 3:
        return ()
    # The total of the epochs stays in: a rate may depend on it.
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
    """Hands out cells, each when the stem that it begins with is there.

    A cell begins with the furthest stem on its way that was left. It waits while a cell that is
    being trained will leave a further one. On its way it leaves each stem at which a cell that
    still waits parts from it. So, one after the other or many at a time, every common beginning
    is trained once; and as a cell waits only for one that is being trained, whenever none is,
    all that are left are ready: whatever fails, nothing waits for ever.

    Args:
        cells: The cells to train by key, in the order in which to hand them out.
        left: Ids of stems that were left before.
        drop: Told of each stem that was left and that no cell needs any more.
        take: Asked, by key, before a cell is handed out: True: it may be; False: not now; None:
            it need not be trained any more.
        share: False: every cell is trained on its own.
    """

    def __init__(
        self,
        cells: Mapping[str, Cell],
        *,
        left: Collection[str] = (),
        drop: Callable[[str], None] | None = None,
        take: Callable[[str], bool | None] = lambda key: True,
        share: bool = True,
    ) -> None:
        self._stems = {key: stems(cell.train) if share else () for key, cell in cells.items()}
        self._take = take
        self._waiting = dict.fromkeys(cells)
        self._left: dict[str, str | None] = dict.fromkeys(left)
        self._carriers: dict[str, str] = {}
        self._drop = drop
        # Cells that wait, and cells that are not finished, on whose way a stem is.
        self._ahead: dict[str, int] = {}
        self._open: dict[str, int] = {}
        for passed in self._stems.values():
            for stem in passed:
                self._ahead[stem.id] = self._open[stem.id] = self._ahead.get(stem.id, 0) + 1

    def __len__(self) -> int:
        """How many cells wait."""
        return len(self._waiting)

    def next(self) -> Start | None:
        """The first cell that is ready and to be had, which is then trained; None: none is."""
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

    def reported(self, key: str, *, epoch: int, left: Iterable[int]) -> None:
        """A cell has trained so many epochs, and left its state after these numbers of them."""
        there = set(left)
        for stem in self._stems[key]:
            if self._carriers.get(stem.id) != key or stem.epochs > epoch:
                continue
            # What it has passed without leaving it, it will not leave any more.
            del self._carriers[stem.id]
            if stem.epochs in there:
                self._left[stem.id] = key

    def ended(self, key: str, *, finished: bool) -> None:
        """A cell is trained, or failed for good."""
        for stem in self._stems[key]:
            if self._carriers.get(stem.id) == key:
                del self._carriers[stem.id]
            # A cell that failed may begin with it when it is tried again some day.
            self._open[stem.id] -= finished
            if self._open[stem.id] == 0 and stem.id in self._left and self._drop is not None:
                self._drop(stem.id)

    def _num_behind(self, key: str) -> int | None:
        """How many of the stems on a cell's way it can leave behind; None: it is not ready."""
        for count, stem in reversed(list(enumerate(self._stems[key], start=1))):
            if stem.id in self._left:
                return count
            if stem.id in self._carriers:
                return None
        return 0

    def _pass(self, key: str) -> None:
        """The cell does not wait any more."""
        for stem in self._stems[key]:
            self._ahead[stem.id] -= 1

    def _start(self, key: str, num_behind: int) -> Start:
        """How the cell is to be trained."""
        passed = self._stems[key]
        self._pass(key)
        # Those that part from it further on have the next stem in common with it as well.
        further = {stem.id: self._ahead[after.id] for stem, after in pairwise(passed)}
        leaves = [
            stem for stem in passed[num_behind:] if self._ahead[stem.id] > further.get(stem.id, 0)
        ]
        self._carriers |= dict.fromkeys((stem.id for stem in leaves), key)
        behind = passed[num_behind - 1] if num_behind else None
        return Start(
            key=key,
            begins=behind.epochs if behind else 0,
            carrier=self._left[behind.id] if behind else None,
            leaves=tuple(stem.epochs for stem in leaves),
        )


def starts(cells: Iterable[Cell], *, left: Collection[str] = ()) -> dict[str, Start]:
    """How each trial is trained if nothing fails, by trial id; many at a time or one, it is equal.

    Args:
        cells: In the order in which they are handed out.
        left: Ids of stems that were left before.
    """
    beginnings = Beginnings({cell.id: cell for cell in cells}, left=left)
    found: dict[str, Start] = {}
    while start := beginnings.next():
        found[start.key] = start
        end = max(start.leaves, default=0)
        beginnings.reported(start.key, epoch=end, left=start.leaves)
        beginnings.ended(start.key, finished=True)
    return found


def amount(cells: Sequence[Cell], begun: Mapping[str, Start]) -> Amount:
    """What these cells have to train.

    Args:
        cells: The cells.
        begun: How each is trained, by trial id; one that is missing is trained on its own.
    """
    stages = epochs = stages_alone = epochs_alone = 0
    for cell in cells:
        train = cell.train
        begins = begun[cell.id].begins if cell.id in begun else 0
        per_layer = train.layers.epochs_per_layer
        num_stages = len(train.layers.order) if per_layer else 0
        stages_alone += num_stages
        stages += num_stages - (begins // per_layer if per_layer else 0)
        epochs_alone += train.epochs
        epochs += train.epochs - begins
    return Amount(
        stage_trainings=stages,
        stage_trainings_alone=stages_alone,
        epochs=epochs,
        epochs_alone=epochs_alone,
    )
