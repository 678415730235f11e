"""Distribution-aware binarization: two levels a filter, at a split that a search finds."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainers.binarize.ste import Gradient, checked_gradient, replaced
from trainers.binarize.weights.base import WeightBinarizer, vector_fault
from trainers.errors import Fault, SpecError


class DabBinarizer(WeightBinarizer):
    """Splits each filter's weights at a threshold t, and gives each group one level.

    Forward:   b = A where w > t, else -B;  A, B: sum of |w| over the group, by K and n - K
    Backward:  db/dw = (1 - 1/c) (A [|w| < 1] + 1/K) where w > t; B and 1/(n - K) elsewhere

    n is the number of weights of a filter, c that of its input channels per group, K that of its
    weights above t that are not 0 (at least 1). The threshold is a weight of the filter:
    `thresholds`. Before each batch and before the evaluations of an epoch, the latent weight of an
    enabled layer is centred in place, by its mean over the input channels, and clamped to ±1.

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw), with two input channels or more;
            only its shape is used.
        published: Take the threshold that the published code takes, which compares the places of
            the two candidates instead of their scores.
        gradient: published: as above; straight_through: 1 everywhere.

    Raises:
        SpecError: If there is only one input channel, or the gradient is unknown.

    Source: Prabhu et al. 2018, Distribution-Aware Binarization of Neural Networks for Sketch
        Recognition, arXiv:1804.02941, sec. 3; its published code.
    Where we differ: the published code takes the wrong one of two candidates (`published`), and
        adds up in float32, which moves the threshold of large filters.
    """

    def __init__(
        self, latent: Tensor, *, published: bool = False, gradient: Gradient = "published"
    ) -> None:
        super().__init__()
        fault = self.layer_fault(latent.shape)
        if fault is not None:
            raise SpecError(fault)
        self.published = published
        self.gradient = checked_gradient(gradient)

    def layer_fault(self, shape: Sequence[int]) -> Fault | None:
        """Refuses a single input channel per group: centring would leave nothing but zeros."""
        if len(shape) < 2:
            return vector_fault(len(shape))
        if shape[1] > 1:
            return None
        what = "has one input channel per group; centred over it, all its weights become 0"
        return Fault("", what, "leave this layer in full precision, or take sign")

    @torch.no_grad()
    def before_batch(self, latent: Tensor) -> None:
        """Centres the latent weight over the input channels and clamps it, where binary."""
        if self.enabled:
            latent.sub_(latent.mean(1, keepdim=True)).clamp_(-1, 1)

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns the upper level where the latent weight is above the threshold, else minus B."""
        rows = latent.detach().flatten(1)
        is_high = rows > thresholds(rows, published=self.published)
        magnitude = rows.abs()
        of_high = magnitude * is_high
        num_high = of_high.count_nonzero(1)[:, None]
        num_low = rows.shape[1] - num_high
        # An upper group of zeros alone has K = 0; its level is 0.
        num_high = num_high.clamp(min=1)
        high = of_high.sum(1, keepdim=True, dtype=torch.float64) / num_high
        low = (magnitude * ~is_high).sum(1, keepdim=True, dtype=torch.float64) / num_low

        def chosen(of_high: Tensor, of_low: Tensor) -> Tensor:
            return torch.where(is_high, of_high.to(latent.dtype), of_low.to(latent.dtype))

        binary = chosen(high, -low).view_as(latent)
        if self.gradient == "straight_through":
            return replaced(latent, binary, factor=latent.new_ones(()))
        share = 1 - 1 / latent.shape[1]
        # Of whole numbers torch makes float32, which is not enough for float64.
        precise = torch.promote_types(latent.dtype, torch.float32)
        outside = share / num_high.to(precise), share / num_low.to(precise)
        inside = share * high + outside[0], share * low + outside[1]
        factor = torch.where(magnitude < 1, chosen(*inside), chosen(*outside))
        return replaced(latent, binary, factor=factor.view_as(latent))


@torch.no_grad()
def thresholds(rows: Tensor, *, published: bool) -> Tensor:
    """Returns the weight at which the search splits each filter, (out, 1).

    Score of the first k weights in an order: S^2 / k + (T - S)^2 / (n - k + 1), where S is their
    sum and T that of all n. The best k with the largest weights first is one candidate, that with
    the smallest first the other; the last of these k weights is the threshold. The candidate of
    the better score wins, the first one at equal scores. As published, the first one wins if its k
    is not smaller.

    Args:
        rows: Weights of each filter, (out, n).
        published: Choose between the candidates as the published code does.
    """
    rising = _sorted(rows)
    falling = rising.flip(1)
    score_falling, place_falling = _best(falling)
    score_rising, place_rising = _best(rising)
    by_place, by_score = place_falling >= place_rising, score_falling >= score_rising
    takes_falling = by_place if published else by_score
    candidates = falling.gather(1, place_falling), rising.gather(1, place_rising)
    return torch.where(takes_falling, *candidates)


def _best(ordered: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the best score of each filter and its place, counted from 0; each (out, 1)."""
    num = ordered.shape[1]
    # Neighbouring scores of a large filter differ by a millionth: float32 would move the best.
    sums = ordered.cumsum(1, dtype=torch.float64)
    counts = torch.arange(1, num + 1, dtype=torch.float64, device=ordered.device)
    others = sums[:, -1:] - sums
    scores = others.square_().div_(num - counts + 1).add_(sums.square_().div_(counts))
    best = scores.max(1, keepdim=True)
    return best.values, best.indices


def _sorted(rows: Tensor) -> Tensor:
    """Returns each row sorted, the smallest first."""
    if rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64):
        # Ten times as fast as torch.
        return torch.from_numpy(np.sort(rows.numpy(), 1))
    return rows.sort(1).values
