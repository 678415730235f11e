"""What every weight binarizer is, and what it is told while its network is trained."""

from collections.abc import Mapping
from typing import Self

from torch import Generator, Tensor, nn

from trainers.errors import Fault


class WeightBinarizer(nn.Module):
    """Maps a latent weight to the weight the layer computes with; identity while not `enabled`.

    A constructor takes the latent weight first (for its shape, or for statistics taken once) and
    options by keyword. `binarize` must be differentiable: its gradient is the straight-through
    estimator that carries the layer's gradient to the latent weight, or to parameters of the
    binarizer's own.

    Whatever else is special about a method is said here too, so that nobody has to know it by
    name: facts about it, and hooks, which are called in this order (`trainers.binarize.hooks`):

    join               once, with all binarizers that were attached in one call
    initialise         once, before the first epoch
    begin_epoch        before the first batch of an epoch, of the first one after a restart too
    before_batch       before each batch is computed
    after_step         after each step of the optimizer
    before_evaluation  after the last step of an epoch, once, before all that is measured

    All hooks are called whether the binarizer is `enabled` or not. Those that are given the latent
    weight may change it in place; no gradient is recorded then. What a binarizer remembers from
    one epoch to the next is a buffer or a parameter: checkpoints hold these, and nothing else.
    """

    enabled: bool = True

    trains_latent: bool = True
    """False: the latent weight is frozen where the binarizer is attached."""

    kept_share: float | None = None
    """The share of weights that stays in the end, the others being 0; None: all stay."""

    final_from: int = 0
    """The first epoch in which it computes as it does in the end."""

    always_binary: bool = True
    """False: weights that are kept may stay the real numbers they were."""

    zero: int = 1
    """What a latent weight of 0 becomes: 1; or 0, for which a stored bit has no code."""

    export_fault: Fault | None = None
    """Why no file could stand for a network with it; None: one can."""

    def forward(self, latent: Tensor) -> Tensor:
        """The binary weight while enabled, else the latent weight itself; shape of `latent`."""
        return self.binarize(latent) if self.enabled else latent

    def binarize(self, latent: Tensor) -> Tensor:
        """The binary weight, of the shape and dtype of `latent`."""
        raise NotImplementedError

    @property
    def epoch_options(self) -> Mapping[str, int]:
        """Its options that count epochs and matter; they shrink when a trial's epochs do."""
        return {}

    def check(self, *, epochs: int) -> None:
        """Refuses a trial that is too short for its options.

        Args:
            epochs: How many the trial has.

        Raises:
            SpecError: With paths relative to the options.
        """

    @classmethod
    def join(cls, layers: Mapping[str, Self]) -> None:
        """Has binarizers that were attached in one call share what they have in common.

        Args:
            layers: By layer name, in forward order.
        """

    def initialise(self, generator: Generator | None) -> None:
        """Draws the binarizer's own parameters; from torch's global generator if none is given."""

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """An epoch begins.

        Args:
            epoch: Counted from 0.
            generator: A CPU generator for all that is drawn in this epoch, its evaluations
                included; the same for all layers, and seeded anew for every epoch.
        """

    def before_batch(self, latent: Tensor) -> None:
        """A training batch is about to be computed."""

    def after_step(self, latent: Tensor) -> None:
        """The optimizer has updated the latent weight, or the binarizer's own parameters."""

    def before_evaluation(self, latent: Tensor) -> None:
        """The network is about to be measured; unless a method says otherwise, as for a batch."""
        self.before_batch(latent)
