"""Multi-prize tickets: the weights stay as they were drawn, scores say which of them are kept."""

from torch import Tensor

from trainers.binarize.weights.scores import (
    ScoredBinarizer,
    checked_share,
    kept_by_share,
    num_kept,
    ticket,
)


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
        self.keep = self.kept_share = checked_share(keep)
        self.published_alpha = published_alpha

    def binarize(self, latent: Tensor) -> Tensor:
        """Scale times sign where the score is among the largest, else 0."""
        kept = kept_by_share(self.scores.detach(), self.keep)
        size = latent.numel()
        count = int(self.keep * size) if self.published_alpha else num_kept(size, self.keep)
        return ticket(self.scores, latent, kept, count)
