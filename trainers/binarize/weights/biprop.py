"""Multi-prize tickets: the weights stay as they were drawn, scores say which of them are kept."""

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

from trainers.binarize.ste import sign
from trainers.binarize.weights.base import WeightBinarizer
from trainers.errors import Fault, SpecError


class _Ticket(torch.autograd.Function):
    """Forward: scale * sign(w) where kept, else 0. Backward: to the scores, g * w * sign(s)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, latent: Tensor, kept: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(scores, latent)
        return sign(latent).mul_(scale).mul_(kept)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        scores, latent = ctx.saved_tensors
        return gradient * latent * torch.sign(scores), None, None, None


class ScoredBinarizer(WeightBinarizer):
    """A frozen latent weight with a score for each of its elements.

    Args:
        latent: Latent weight of any shape; the scores have its shape and type.
        train_scores: False: the scores stay as they were drawn, which leaves a random subnet.

    Source: Ramanujan et al. 2020, arXiv:1911.13299, sec. 3; scores drawn uniformly from
        ±1/sqrt(fan-in).
    """

    trains_latent = False

    def __init__(self, latent: Tensor, *, train_scores: bool = True) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.empty_like(latent), requires_grad=train_scores)
        self.initialise(None)

    @torch.no_grad()
    def initialise(self, generator: Generator | None) -> None:
        """Draws the scores as torch draws the weight of a layer."""
        if self.scores.is_meta:
            return
        bound = 1 / math.sqrt(self.scores[0].numel())
        drawn = torch.empty(self.scores.shape).uniform_(-bound, bound, generator=generator)
        self.scores.copy_(drawn)


class BipropBinarizer(ScoredBinarizer):
    """The share `keep` of the layer's weights with the largest |score|, as sign times a scale.

    Forward:   b = a * sign(w) where kept, else 0;  a = mean of |w| over the kept
    Backward:  db/ds = w * sign(s) for every element, kept or not; a is a constant to the
               gradient, and w gets none

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw).
        keep: Share of the weights that is kept, in (0, 1]; n - int((1 - keep) n) of n. Among
            equal scores the first are kept. The published code calls this `prune_rate`.
        published_alpha: Divide the sum of |w| by int(keep n), which may be one less than the
            number of weights kept, or 0.
        train_scores: False: a random subnet.

    Raises:
        SpecError: If keep is outside that range.

    Source: Diffenderfer & Kailkhura 2021, Multi-Prize Tickets, arXiv:2103.09377, alg. 1.
    Where we differ: the published scale divides by int(keep n) (`published_alpha`); its sign of 0
        is 0.
    """

    def __init__(
        self,
        latent: Tensor,
        *,
        keep: float = 0.5,
        published_alpha: bool = False,
        train_scores: bool = True,
    ) -> None:
        super().__init__(latent, train_scores=train_scores)
        self.keep = _share(keep)
        self.published_alpha = published_alpha

    def binarize(self, latent: Tensor) -> Tensor:
        """Scale times sign where the score is among the largest, else 0."""
        kept = kept_by_share(self.scores.detach(), self.keep)
        size = latent.numel()
        count = int(self.keep * size) if self.published_alpha else num_kept(size, self.keep)
        scale = _masked_magnitude(latent, kept).div(count)
        result: Tensor = _Ticket.apply(self.scores, latent, kept, scale)
        return result


class BipropGlobalBinarizer(ScoredBinarizer):
    """The weights whose |score| is above one threshold for all layers, as sign times a scale.

    Forward:   b = a * sign(w) where |s| > threshold, else 0;  a = mean of |w| over the kept
    Backward:  as `BipropBinarizer`

    The engine sets the threshold before every training batch and every measurement, so that the
    share `keep` of the weights of all layers together is kept. With a share of at most 1/2 it
    begins at 1/2 and comes down over the first `ramp_epochs` epochs (`trainers.keep_ramp`). A
    layer of which nothing would be kept keeps its best weight.

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw).
        threshold: Until the engine sets another; 0 or more.
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
        if ramp_epochs < 0:
            raise SpecError(Fault("ramp_epochs", f"must be 0 or more, got {ramp_epochs}"))
        if not threshold >= 0:
            raise SpecError(Fault("threshold", f"must be 0 or more, got {threshold}"))
        self.keep = _share(keep)
        self.ramp_epochs = ramp_epochs
        self.published_alpha = published_alpha
        # A single-precision threshold would cut scores of double precision elsewhere.
        self.register_buffer("threshold", torch.full((), threshold, dtype=latent.dtype))
        self.threshold = self.threshold.to(latent.device)

    @property
    def num_above(self) -> int:
        """Weights whose score is above the threshold: 0 in a layer that has collapsed."""
        return int((self.scores.detach().abs() > self.threshold).sum())

    def binarize(self, latent: Tensor) -> Tensor:
        """Scale times sign where the score is above the threshold, else 0."""
        magnitude = self.scores.detach().abs()
        kept = magnitude > self.threshold
        if not self.published_alpha:
            # One element more where there was none, without waiting for the device to say so.
            best = torch.zeros_like(kept).view(-1).index_fill_(0, magnitude.argmax(), True)
            kept = torch.where(kept.any(), kept, best.view_as(kept))
        scale = _masked_magnitude(latent, kept).div(kept.sum())
        result: Tensor = _Ticket.apply(self.scores, latent, kept, scale)
        return result


class BipropSampledBinarizer(ScoredBinarizer):
    """Each weight is there with the probability that its score says, drawn anew every time.

    Forward:   b = w * m,  m = 1 with probability sigmoid(s), else 0
    Backward:  db/ds = w * sigmoid'(s): straight through the drawing; w gets none

    Weights stay real numbers, as in the published code.

    Args:
        latent: Latent weight of any shape.
        score: What every score begins as; None: drawn as for `biprop`.
        train_scores: False: the probabilities stay what they are.

    Source: Zhou et al. 2019, Supermasks, arXiv:1905.01067, sec. 4; `SampleSubnetConv` in the code
        published with arXiv:2103.09377.
    """

    always_binary = False

    def __init__(
        self, latent: Tensor, *, score: float | None = None, train_scores: bool = True
    ) -> None:
        self.score = score
        self.generator: Generator | None = None
        super().__init__(latent, train_scores=train_scores)

    @torch.no_grad()
    def initialise(self, generator: Generator | None) -> None:
        """Draws the scores, or sets them all to `score`."""
        if self.score is None:
            super().initialise(generator)
        else:
            self.scores.fill_(self.score)

    def draw_from(self, generator: Generator) -> None:
        """From now on what is kept is drawn from this CPU generator."""
        self.generator = generator

    def binarize(self, latent: Tensor) -> Tensor:
        """The latent weight where it was drawn, else 0."""
        chance = torch.sigmoid(self.scores)
        # On the CPU, so that the draws are the same on every device.
        drawn = torch.rand(latent.shape, generator=self.generator).to(latent.device)
        mask = (drawn < chance.detach()).to(latent.dtype)
        return latent.detach() * (chance + (mask - chance.detach()))


class BipropFixedBinarizer(ScoredBinarizer):
    """A subnet that is given by its scores; nothing of it is trained, and weights stay real.

    Forward:   b = w where the |score| is among the largest, else 0
    Backward:  none

    Its state has the keys of `biprop`'s, so that the state of a trained ticket can be loaded.

    Args:
        latent: Latent weight of any shape.
        keep: Share of the weights that is kept, in (0, 1].

    Raises:
        SpecError: If keep is outside that range.

    Source: `FixedSubnetConv` in the code published with arXiv:2103.09377, where the number given
        is the share that is removed.
    """

    always_binary = False

    def __init__(self, latent: Tensor, *, keep: float = 0.5) -> None:
        super().__init__(latent, train_scores=False)
        self.keep = _share(keep)

    def binarize(self, latent: Tensor) -> Tensor:
        """The latent weight where it is kept, else 0."""
        return latent.detach() * kept_by_share(self.scores.detach(), self.keep)


def num_kept(size: int, keep: float) -> int:
    """How many of `size` weights the share stands for: those left when int((1 - keep) size) go."""
    return size - min(int((1 - keep) * size), size - 1)


@torch.no_grad()
def kept_by_share(scores: Tensor, keep: float) -> Tensor:
    """Where |score| is among the largest, a bool for each; exactly `num_kept` are true.

    Among scores equal to the smallest that is kept, the first are.
    """
    magnitude = scores.abs()
    num_removed = scores.numel() - num_kept(scores.numel(), keep)
    if num_removed == 0:
        return torch.ones_like(magnitude, dtype=torch.bool)
    border = magnitude.flatten().kthvalue(num_removed).values
    kept = magnitude > border
    missing = scores.numel() - num_removed - int(kept.sum())
    if missing:
        ties = (magnitude == border).flatten()
        kept.view(-1)[ties.nonzero()[:missing, 0]] = True
    return kept


def _masked_magnitude(latent: Tensor, kept: Tensor) -> Tensor:
    return latent.detach().abs().mul_(kept).sum()


def _share(keep: float) -> float:
    if not 0 < keep <= 1:
        hint = "it is the share that stays; the published code calls it prune_rate"
        raise SpecError(Fault("keep", f"must be above 0 and at most 1, got {keep}", hint))
    return keep
