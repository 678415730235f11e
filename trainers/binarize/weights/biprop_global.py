"""Multi-prize tickets of a whole network: one threshold for the scores of all layers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from trainers.binarize.schedule import HIGHEST_RAMPED, keep_ramp
from trainers.binarize.weights.scores import ScoredBinarizer, checked_share, num_kept, ticket
from trainers.errors import Fault, SpecError

log = logging.getLogger(__name__)


class BipropGlobalBinarizer(ScoredBinarizer):
    """The weights whose |score| is above one threshold for all layers, as sign times a scale.

    Forward:   b = a * sign(w) where |s| > threshold, else 0;  a = mean of |w| over the kept
    Backward:  as `BipropBinarizer`

    Layers that are attached together share the threshold (`SharedThreshold`): it is set for every
    pass, so that the share `keep` of the weights of those that are enabled is kept. Where epochs
    are counted and the share is at most 1/2, it begins at 1/2 and comes down over the first
    `ramp_epochs` epochs (`trainers.keep_ramp`). A layer of which nothing would be kept keeps its
    best weight.

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw).
        threshold: That of a binarizer on its own; 0 or more.
        keep: Share of all layers' weights that is kept, in (0, 1].
        ramp_epochs: Epochs until the share is reached; 0: it is there from the first.
        published_alpha: A layer of which nothing is kept becomes 0/0, not a number, as published.
        train_scores: False: a random subnet.

    Raises:
        SpecError: If keep or another number is out of range.

    Source: the code published with arXiv:2103.09377, `GlobalSubnetConv`.
    Where we differ: a layer never loses all its weights (`published_alpha`); the sign of 0 is +1.
    """

    threshold: Tensor

    def __init__(
        self,
        latent: Tensor,
        *,
        threshold: float = 0.0,
        keep: float = 0.5,
        ramp_epochs: int = 10,
        published_alpha: bool = False,
        train_scores: bool = True,
    ) -> None:
        super().__init__(latent, train_scores=train_scores)
        if not threshold >= 0:
            raise SpecError(Fault("threshold", f"must be 0 or more, got {threshold}"))
        self.keep = self.kept_share = checked_share(keep)
        # Refuses what cannot be a number of epochs.
        keep_ramp(keep, ramp_epochs)
        self.ramp_epochs = ramp_epochs
        self.final_from = ramp_epochs if keep <= HIGHEST_RAMPED else 0
        self.published_alpha = published_alpha
        self._shared: SharedThreshold | None = None
        # A single-precision threshold would cut scores of double precision elsewhere.
        self.register_buffer("threshold", torch.full((), threshold, dtype=latent.dtype))
        self.threshold = self.threshold.to(latent.device)

    @property
    def epoch_options(self) -> Mapping[str, int]:
        """The ramp's, where there is one."""
        return {"ramp_epochs": self.final_from} if self.final_from else {}

    def check(self, *, epochs: int) -> None:
        """Refuses a trial that ends before the share is reached."""
        if self.final_from >= epochs:
            what = f"the final share would not be reached in {epochs} epochs"
            hint = f"set epochs to {self.final_from + 1} or more, "
            hint += f"or ramp_epochs to {epochs - 1} or less"
            raise SpecError(Fault("ramp_epochs", what, hint))

    @classmethod
    def join(cls, layers: Mapping[str, Self]) -> None:
        """Gives them one threshold."""
        shared = SharedThreshold(layers)
        for layer in layers.values():
            layer._shared = shared

    @property
    def num_above(self) -> int:
        """Weights whose score is above the threshold: 0 in a layer that has collapsed."""
        return int((self.scores.detach().abs() > self.threshold).sum())

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """The share comes down."""
        if self._shared is not None:
            share = keep_ramp(self.keep, self.ramp_epochs)(epoch)
            self._shared.begin_epoch(epoch, share=share)

    def before_batch(self, latent: Tensor) -> None:
        """Scores may have changed."""
        if self._shared is not None:
            self._shared.forget()

    def before_evaluation(self, latent: Tensor) -> None:
        """Sets the threshold that the network is measured with."""
        if self._shared is not None:
            self._shared.settle()

    def binarize(self, latent: Tensor) -> Tensor:
        """Scale times sign where the score is above the threshold, else 0."""
        if self._shared is not None:
            self._shared.serve(self)
        magnitude = self.scores.detach().abs()
        kept = magnitude > self.threshold
        if not self.published_alpha:
            # One element more where there was none, without waiting for the device to say so.
            best = torch.zeros_like(kept).view(-1).index_fill_(0, magnitude.argmax(), True)
            kept = torch.where(kept.any(), kept, best.view_as(kept))
        return ticket(self.scores, latent, kept, kept.sum())


class SharedThreshold:
    """One threshold for several layers, so that a share of all their weights is kept.

    It is set when a layer asks for it; and anew when one asks a second time, because then another
    pass has begun, or when other layers are enabled by then. So the share is kept whoever trains.

    Args:
        layers: By layer name; those that are not enabled neither count nor change.
    """

    def __init__(self, layers: Mapping[str, BipropGlobalBinarizer]) -> None:
        self._layers = dict(layers)
        self._share = next(iter(self._layers.values())).keep
        self._epoch = 0
        self._is_settled = False
        # For whom it was set, and who has asked for it since.
        self._enabled: list[BipropGlobalBinarizer] = []
        self._served: set[BipropGlobalBinarizer] = set()

    def begin_epoch(self, epoch: int, *, share: float) -> None:
        """From now on this share is kept."""
        self._epoch, self._share, self._is_settled = epoch, share, False
        self.forget()

    def forget(self) -> None:
        """The next layer that asks has it set anew."""
        self._enabled = []

    def serve(self, layer: BipropGlobalBinarizer) -> None:
        """Sets the threshold of all layers, unless the present one was set for this pass."""
        enabled = [known for known in self._layers.values() if known.enabled]
        if layer in self._served or enabled != self._enabled:
            self._set(enabled)
        self._served.add(layer)

    def settle(self) -> None:
        """Sets it once for an epoch that is over, and warns of layers that it leaves empty."""
        if self._is_settled:
            return
        self._is_settled = True
        self._set([layer for layer in self._layers.values() if layer.enabled])
        empty = [
            name for name, layer in self._layers.items() if layer.enabled and layer.num_above == 0
        ]
        if empty:
            log.warning(
                "epoch %d: no weight of %s is above the threshold; its best stays",
                self._epoch,
                ", ".join(empty),
            )

    @torch.no_grad()
    def _set(self, enabled: list[BipropGlobalBinarizer]) -> None:
        self._enabled = enabled
        self._served.clear()
        if enabled:
            threshold = global_threshold([layer.scores for layer in enabled], keep=self._share)
            for layer in enabled:
                layer.threshold.copy_(threshold)


@torch.no_grad()
def global_threshold(scores: Sequence[Tensor], *, keep: float) -> Tensor:
    """The |score| above which the share `keep` of all weights lies, as a constant.

    It is the largest score that is not kept; what equals it is not kept either. -1 where all are.

    Args:
        scores: Of one layer or more.
        keep: Share in (0, 1].
    """
    magnitudes = torch.cat([part.abs().flatten() for part in scores])
    num_removed = magnitudes.numel() - num_kept(magnitudes.numel(), keep)
    if num_removed == 0:
        return magnitudes.new_full((), -1.0)
    return magnitudes.kthvalue(num_removed).values
