"""Which layers compute with binary weights in which epoch."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from trainers.errors import Fault, SpecError
from trainers.written import ALWAYS

Layer = TypeVar("Layer", bound=Hashable)

HIGHEST_RAMPED = 0.5
"""The share of kept weights that a ramp begins with; larger shares need no ramp."""


@dataclass(frozen=True, kw_only=True)
class LayerSchedule(Generic[Layer]):
    """Binarizes layer by layer: the first at once, one more every `epochs_per_layer` epochs.

    Args:
        order: Layer names (or numbers), in the order in which they become binary; empty: the
            network stays in full precision.
        epochs_per_layer: Epochs between two layers; 0: all of `order` from the first epoch.

    Raises:
        SpecError: If a layer is listed twice, or the number of epochs is negative.

    Source: arXiv:2111.07046, sec. 3.
    """

    order: tuple[Layer, ...] = field(default=(), metadata=ALWAYS)
    epochs_per_layer: int = field(default=0, metadata=ALWAYS)

    def __post_init__(self) -> None:
        """Checks everything that needs no model."""
        if isinstance(self.order, str):
            what = f"expected a list of layers, got the text '{self.order}'"
            raise SpecError(Fault("order", what))
        object.__setattr__(self, "order", tuple(self.order))
        twice = sorted({str(layer) for layer in self.order if self.order.count(layer) > 1})
        if twice:
            raise SpecError(Fault("order", f"lists {', '.join(twice)} more than once"))
        if self.epochs_per_layer < 0:
            raise SpecError(
                Fault("epochs_per_layer", f"must be 0 or more, got {self.epochs_per_layer}")
            )

    def binarized_at(self, epoch: int) -> frozenset[Layer]:
        """Returns the layers that are binary in this epoch, counted from 0."""
        return frozenset(self.order[: self.num_binary_at(epoch)])

    def num_binary_at(self, epoch: int) -> int:
        """Returns how many layers of `order` are binary in this epoch, counted from 0."""
        if self.epochs_per_layer == 0:
            return len(self.order)
        return min(len(self.order), epoch // self.epochs_per_layer + 1)

    def final_from(self, *, epochs: int) -> int:
        """Returns the first epoch with the same binary layers as the last of `epochs`."""
        return max(0, self.num_binary_at(epochs - 1) - 1) * self.epochs_per_layer

    def check(self, *, epochs: int) -> None:
        """Checks that every layer of `order` becomes binary.

        Raises:
            SpecError: If some never do; names them and the epochs needed.
        """
        missing = self.order[self.num_binary_at(epochs - 1) :]
        if missing:
            need = (len(self.order) - 1) * self.epochs_per_layer + 1
            names = ", ".join(str(layer) for layer in missing)
            what = f"{names} never turn binary in {epochs} epochs"
            raise SpecError(Fault("order", what, f"set epochs to {need} or more"))


def keep_ramp(keep: float, ramp_epochs: int) -> Callable[[int], float]:
    """Returns a function from an epoch, counted from 0, to the share of weights kept in it.

    The share starts at 1/2 and falls, steeply at first, to `keep`:
    keep + (1/2 - keep) (1 - epoch / ramp_epochs)^3. A `keep` above 1/2 holds from the first epoch.

    Args:
        keep: Final share, in (0, 1].
        ramp_epochs: First epoch with the final share; 0 or more.

    Raises:
        SpecError: If a number is out of range.

    Source: the code published with arXiv:2103.09377; after Zhu & Gupta 2017, arXiv:1710.01878.
    """
    if not 0 < keep <= 1:
        raise SpecError(Fault("keep", f"must be above 0 and at most 1, got {keep}"))
    if ramp_epochs < 0:
        raise SpecError(Fault("ramp_epochs", f"must be 0 or more, got {ramp_epochs}"))

    def kept(epoch: int) -> float:
        if keep > HIGHEST_RAMPED or epoch >= ramp_epochs:
            return keep
        return keep + (HIGHEST_RAMPED - keep) * (1 - epoch / ramp_epochs) ** 3

    return kept
