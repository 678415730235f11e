"""The base class of weight binarizers, with the hooks that training calls."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Self

from torch import Generator, Tensor, nn

from trainers.errors import Fault


def vector_fault(num_dimensions: int) -> Fault:
    """The fault of a latent weight that has no input channels."""
    return Fault("", f"has {num_dimensions} dimension; a layer's weight has (out, in, ...)")


class WeightBinarizer(nn.Module):
    """Maps a latent weight to the weight the layer computes with; identity while not `enabled`.

    A constructor takes the latent weight first (for its shape, or for statistics taken once) and
    options by keyword. `binarize` must be differentiable: its gradient is the straight-through
    estimator, which carries the layer's gradient to the latent weight or to the binarizer's own
    parameters.

    A method declares everything special about it here, so no other code needs to know its name:
    as facts, and as hooks, which training calls in this order (`trainers.binarize.hooks`):

    join               once, with all binarizers attached in one call
    initialise         once, before the first epoch
    begin_epoch        before the first batch of each epoch, also after a restart
    before_batch       before each training batch
    after_step         after each step of the optimizer
    before_evaluation  once after the last step of an epoch, before all evaluations

    Hooks are called whether the binarizer is `enabled` or not. A hook that gets the latent weight
    may change it in place; no gradient is recorded. State that must survive from one epoch to the
    next has to be a buffer or a parameter: checkpoints store nothing else.
    """

    enabled: bool = True

    trains_latent: bool = True
    """False: attaching the binarizer freezes the latent weight."""

    kept_share: float | None = None
    """The final share of weights that are kept; the others are 0. None: all are kept."""

    final_from: int = 0
    """The first epoch in which it computes in its final way."""

    always_binary: bool = True
    """False: kept weights may remain real numbers."""

    zero: int = 1
    """The sign of a latent weight of 0: 1; or 0, which one stored bit cannot represent."""

    capturable: bool = True
    """False: its weights are drawn or chosen in Python, so no step can be recorded and replayed.

    An operation that waits for the device (`item`, `nonzero`) need not be declared: recording
    fails, and the trial is trained without.
    """

    export_fault: Fault | None = None
    """Why a network with this binarizer cannot be exported; None: it can."""

    def forward(self, latent: Tensor) -> Tensor:
        """Returns the binary weight while enabled, else the latent weight; shape of `latent`."""
        return self.binarize(latent) if self.enabled else latent

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns the binary weight, with the shape and dtype of `latent`."""
        raise NotImplementedError

    @property
    def collapse(self) -> Fault | None:
        """Why its weights are not finite though the latent weight is; None: they are finite."""
        return None

    @property
    def in_effect(self) -> Hashable:
        """What it computes with in Python, that epochs change, and that is no attribute of it.

        A recorded step is recorded anew when this, or a number or word among its attributes, is
        another one than in the epoch before.
        """
        return None

    @property
    def epoch_options(self) -> Mapping[str, int]:
        """The options in effect that count epochs; they shrink together with a trial's epochs."""
        return {}

    def check(self, *, epochs: int) -> None:
        """Checks that a trial is long enough for the options.

        Args:
            epochs: Number of epochs of the trial.

        Raises:
            SpecError: If not; its paths are relative to the options.
        """

    def layer_fault(self, shape: Sequence[int]) -> Fault | None:
        """Returns why a layer cannot be trained with it; None: it can.

        A trial with such a layer is refused before it starts.

        Args:
            shape: Shape of the layer's weight, (out, in) or (out, in, kh, kw); `in` is the number
                of channels per group.
        """
        return None

    @classmethod
    def join(cls, layers: Mapping[str, Self]) -> None:
        """Lets binarizers attached in one call share state.

        Args:
            layers: The binarizers by layer name, in forward order.
        """

    def initialise(self, generator: Generator | None) -> None:
        """Draws the binarizer's own parameters; None: from torch's global generator."""

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """Called when an epoch begins.

        Args:
            epoch: Counted from 0.
            generator: A CPU generator for all draws of this epoch, including its evaluations; all
                layers share it, and each epoch seeds it anew.
        """

    def before_batch(self, latent: Tensor) -> None:
        """Called before each training batch."""

    def after_step(self, latent: Tensor) -> None:
        """Called after the optimizer updated the latent weight or the binarizer's parameters."""

    def before_evaluation(self, latent: Tensor) -> None:
        """Called before the evaluations of an epoch; by default calls `before_batch`."""
        self.before_batch(latent)
