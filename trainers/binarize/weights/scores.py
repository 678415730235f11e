"""The common parts of tickets: frozen weights, their scores, and the choice by score."""

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

from trainers.binarize.ste import sign
from trainers.binarize.weights.base import WeightBinarizer
from trainers.errors import Fault, SpecError


class ScoredBinarizer(WeightBinarizer):
    """A frozen latent weight with a score for each of its elements.

    Args:
        latent: Latent weight of any shape; the scores have its shape and dtype.
        train_scores: False: the scores stay at their initial values, which gives a random subnet.

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
        """Draws the scores with torch's default initialisation of weights."""
        if self.scores.is_meta:
            return
        bound = 1 / math.sqrt(self.scores[0].numel())
        drawn = torch.empty(self.scores.shape).uniform_(-bound, bound, generator=generator)
        self.scores.copy_(drawn)


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


def ticket(scores: Tensor, latent: Tensor, kept: Tensor, count: Tensor | int) -> Tensor:
    """Returns the signs of the kept weights times their mean magnitude, and 0 for the others.

    Forward:   b = a * sign(w) where kept, else 0;  a = (sum of |w| over the kept) / count
    Backward:  db/ds = w * sign(s) for every element, kept or not; a counts as a constant, and w
               gets no gradient

    Args:
        scores: Scores, with the shape of `latent`.
        latent: Latent weight of any shape.
        kept: Which weights are kept, bool, with the same shape.
        count: Divisor of the sum of their magnitudes.

    Source: Diffenderfer & Kailkhura 2021, Multi-Prize Tickets, arXiv:2103.09377, alg. 1.
    """
    scale = latent.detach().abs().mul_(kept).sum().div(count)
    result: Tensor = _Ticket.apply(scores, latent, kept, scale)
    return result


def num_kept(size: int, keep: float) -> int:
    """Returns how many of `size` weights are kept: all but int((1 - keep) size), at least one."""
    return size - min(int((1 - keep) * size), size - 1)


@torch.no_grad()
def kept_by_share(scores: Tensor, keep: float) -> Tensor:
    """Returns a bool mask of the largest |score|s; exactly `num_kept` are true.

    Among scores equal to the smallest kept one, the first are kept.
    """
    magnitude = scores.abs()
    num_removed = scores.numel() - num_kept(scores.numel(), keep)
    if num_removed == 0:
        return torch.ones_like(magnitude, dtype=torch.bool)
    border = kth_smallest(magnitude.flatten(), num_removed)
    kept = magnitude > border
    if not waits_are_free(scores.device):
        ties = (magnitude == border).flatten()
        open_places = scores.numel() - num_removed - kept.sum()
        return kept | (ties & (ties.cumsum(0) <= open_places)).view_as(kept)
    missing = scores.numel() - num_removed - int(kept.sum())
    if missing:
        ties = (magnitude == border).flatten()
        kept.view(-1)[ties.nonzero()[:missing, 0]] = True
    return kept


def kth_smallest(values: Tensor, k: int) -> Tensor:
    """Returns the k-th smallest of (n,) values, a scalar; 1 is the smallest."""
    if values.device.type == "cpu":
        return values.kthvalue(k).values
    # Deterministic algorithms leave kthvalue out there, though its value is always the same.
    return values.sort().values[k - 1]


def waits_are_free(device: torch.device) -> bool:
    """Whether Python may look at a result without a wait for the device."""
    return device.type == "cpu"


def checked_share(keep: float) -> float:
    """Returns the share unchanged.

    Raises:
        SpecError: If the share is not in (0, 1].
    """
    if not 0 < keep <= 1:
        hint = "it is the share of weights kept; the published code calls it prune_rate"
        raise SpecError(Fault("keep", f"must be above 0 and at most 1, got {keep}", hint))
    return keep
