"""What the processes do together that train one trial; here: what a process does that is alone."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from torch import Tensor, nn

T = TypeVar("T")


class Ranks:
    """A process that trains its trial alone; `trainers.engine.processes` has the others.

    Every process of a trial holds the whole network and makes the same draws: order of images,
    augmentation, masks, dropout. Of each batch it sends its own part through the network. Then all
    have the outputs of the whole batch, and each works out the same loss; gradients are added up
    before anything looks at them. So the result is that of one process, up to rounding.

    Only the first process reports, and reads and writes checkpoints.
    """

    rank: int = 0
    """Number of this process, counted from 0."""

    world: int = 1
    """Number of processes."""

    def own(self, num: int) -> slice | None:
        """Returns this process's part of `num` images; None: all of them."""
        return None

    def ready(self) -> None:
        """Waits, however long it takes, until all processes have come this far."""

    def align(self, model: nn.Module) -> None:
        """Takes over weights and statistics of the first process."""

    def training(self, model: nn.Module) -> AbstractContextManager[object]:
        """Lets layers that look at more than one image see the whole batch, while it lasts."""
        return nullcontext()

    def begin_batch(self, num: int, *, num_views: int) -> None:
        """Hears of the next batch: its images, and the views of each that the network gets."""

    def gathered(self, values: Tensor) -> Tensor:
        """Returns what the processes made of their parts of a batch, in the batch's order.

        Forward:   all parts, (views * batch, ...)
        Backward:  the gradient of the own part; each process must work out the same loss

        Args:
            values: What this process made of its part, (views * own images, ...).
        """
        return values

    def reduce(self, parameters: Iterable[nn.Parameter]) -> None:
        """Adds up the gradients of all processes, in place."""

    def total(self, amount: Tensor) -> Tensor:
        """Returns the sum over all processes, the same bits in each."""
        return amount

    def told(self, value: T) -> T:
        """Returns what the first process has: plain values and tensors."""
        return value


ALONE = Ranks()
