"""Multi-prize tickets with one score threshold for all layers of a network."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from trainers.binarize.schedule import HIGHEST_RAMPED, keep_ramp
from trainers.binarize.weights.scores import (
    ScoredBinarizer,
    checked_share,
    kth_smallest,
    num_kept,
    ticket,
)
from trainers.errors import Fault, SpecError

log = logging.getLogger(__name__)


class BipropGlobalBinarizer(ScoredBinarizer):
    """Keeps weights whose |score| is above one threshold for all layers, as sign times scale.

    Forward:   b = a * sign(w) where |s| > threshold, else 0;  a = mean of |w| over the kept
    Backward:  as in `BipropBinarizer`

    Layers attached together share the threshold (`SharedThreshold`). Every forward pass sets it so
    that the share `keep` of all weights in enabled layers is kept. During training, a share of at
    most 1/2 starts at 1/2 and falls over the first `ramp_epochs` epochs (`trainers.keep_ramp`). A
    layer with all scores below the threshold keeps its best weight.

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw).
        threshold: Threshold of a binarizer that shares none; 0 or more.
        keep: Share of all layers' weights to keep, in (0, 1].
        ramp_epochs: Epochs until the share is reached; 0: from the first epoch on.
        published_alpha: The weight of a layer that keeps nothing becomes 0/0 = NaN, as published.
        train_scores: False: do not train the scores, which gives a random subnet.

    Raises:
        SpecError: If a number is out of range.

    Source: the code published with arXiv:2103.09377, `GlobalSubnetConv`.
    Where we differ: a layer never loses all its weights (`published_alpha`); the sign of 0 is +1.
    """

    threshold: Tensor
    _was_empty: Tensor

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
        # Raises SpecError for a negative number of epochs.
        keep_ramp(keep, ramp_epochs)
        self.ramp_epochs = ramp_epochs
        self.final_from = ramp_epochs if keep <= HIGHEST_RAMPED else 0
        self.published_alpha = published_alpha
        self._shared: SharedThreshold | None = None
        # A float32 threshold would cut float64 scores at another place.
        self.register_buffer("threshold", torch.full((), threshold, dtype=latent.dtype))
        self.threshold = self.threshold.to(latent.device)
        was_empty = torch.zeros((), dtype=torch.bool, device=latent.device)
        self.register_buffer("_was_empty", was_empty, persistent=False)

    @property
    def epoch_options(self) -> Mapping[str, int]:
        """The epochs of the ramp, if there is one."""
        return {"ramp_epochs": self.final_from} if self.final_from else {}

    def check(self, *, epochs: int) -> None:
        """Raises SpecError if the trial ends before the final share is reached."""
        if self.final_from >= epochs:
            what = f"the final share would not be reached in {epochs} epochs"
            hint = f"set epochs to {self.final_from + 1} or more, "
            hint += f"or ramp_epochs to {epochs - 1} or less"
            raise SpecError(Fault("ramp_epochs", what, hint))

    @property
    def in_effect(self) -> Hashable:
        """The share that all layers keep in this epoch."""
        return None if self._shared is None else self._shared.share

    @classmethod
    def join(cls, layers: Mapping[str, Self]) -> None:
        """Gives the layers one shared threshold."""
        shared = SharedThreshold(layers)
        for layer in layers.values():
            layer._shared = shared

    @property
    def num_above(self) -> int:
        """Number of weights with a score above the threshold; 0 in a collapsed layer."""
        return int((self.scores.detach().abs() > self.threshold).sum())

    @property
    def collapse(self) -> Fault | None:
        """The published scale of a layer that keeps nothing is 0/0."""
        if not self.published_alpha or not (self._was_empty | self._is_empty()):
            return None
        what = "no score is above the threshold, so the published scale is 0/0 = NaN"
        return Fault("", what, "train without published_alpha, or with a larger keep")

    def _is_empty(self) -> Tensor:
        """Whether nothing is kept, as a tensor, without a wait for the device."""
        magnitude = self.scores.detach().abs()
        # Scores that the NaN of another layer made NaN are above nothing either.
        return magnitude.isfinite().all() & ~(magnitude > self.threshold).any()

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """Sets the share of this epoch."""
        if self._shared is not None:
            share = keep_ramp(self.keep, self.ramp_epochs)(epoch)
            self._shared.begin_epoch(epoch, share=share)

    def before_batch(self, latent: Tensor) -> None:
        """Invalidates the threshold, because scores may have changed."""
        if self._shared is not None:
            self._shared.forget()

    def before_evaluation(self, latent: Tensor) -> None:
        """Sets the threshold for the evaluations."""
        if self._shared is not None:
            self._shared.settle()

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns scale times sign where the score is above the threshold, else 0."""
        if self._shared is not None:
            self._shared.serve(self)
        magnitude = self.scores.detach().abs()
        kept = magnitude > self.threshold
        if self.published_alpha:
            self._was_empty |= self._is_empty()
        else:
            # Keeps the best weight of an empty layer, without a wait for the device.
            best = torch.zeros_like(kept).view(-1).index_fill_(0, magnitude.argmax(), True)
            kept = torch.where(kept.any(), kept, best.view_as(kept))
        return ticket(self.scores, latent, kept, kept.sum())


class SharedThreshold:
    """One threshold for several layers, which keeps a share of all their weights.

    A layer that requests the threshold sets it. It is set again when the same layer requests it a
    second time, because a new pass has begun, or when other layers are enabled. So the share holds
    in any training loop.

    Args:
        layers: The binarizers by layer name; disabled ones do not count and do not change.
    """

    def __init__(self, layers: Mapping[str, BipropGlobalBinarizer]) -> None:
        self._layers = dict(layers)
        self.share = next(iter(self._layers.values())).keep
        self._epoch = 0
        self._is_settled = False
        # The layers the threshold was set for, and those that have requested it since.
        self._enabled: list[BipropGlobalBinarizer] = []
        self._served: set[BipropGlobalBinarizer] = set()

    def begin_epoch(self, epoch: int, *, share: float) -> None:
        """Sets the share to keep in this epoch."""
        self._epoch, self.share, self._is_settled = epoch, share, False
        self.forget()

    def forget(self) -> None:
        """Invalidates the threshold; the next request sets it again."""
        self._enabled = []

    def serve(self, layer: BipropGlobalBinarizer) -> None:
        """Sets the threshold of all layers, unless it was already set for this pass."""
        enabled = [known for known in self._layers.values() if known.enabled]
        if layer in self._served or enabled != self._enabled:
            self._set(enabled)
        self._served.add(layer)

    def settle(self) -> None:
        """Sets the threshold once at the end of an epoch; warns of layers that keep nothing."""
        if self._is_settled:
            return
        self._is_settled = True
        self._set([layer for layer in self._layers.values() if layer.enabled])
        empty = [
            name for name, layer in self._layers.items() if layer.enabled and layer.num_above == 0
        ]
        if empty:
            log.warning(
                "epoch %d: no score of %s is above the threshold; the best weight stays",
                self._epoch,
                ", ".join(empty),
            )

    @torch.no_grad()
    def _set(self, enabled: list[BipropGlobalBinarizer]) -> None:
        self._enabled = enabled
        self._served.clear()
        if enabled:
            threshold = global_threshold([layer.scores for layer in enabled], keep=self.share)
            for layer in enabled:
                layer.threshold.copy_(threshold)


@torch.no_grad()
def global_threshold(scores: Sequence[Tensor], *, keep: float) -> Tensor:
    """Returns the |score| above which the share `keep` of all weights lies, without gradient.

    It is the largest |score| that is not kept, so equal scores are not kept either; -1 if all are
    kept.

    Args:
        scores: Scores of one or more layers.
        keep: Share to keep, in (0, 1].
    """
    magnitudes = torch.cat([part.abs().flatten() for part in scores])
    num_removed = magnitudes.numel() - num_kept(magnitudes.numel(), keep)
    if num_removed == 0:
        return magnitudes.new_full((), -1.0)
    return kth_smallest(magnitudes, num_removed)
