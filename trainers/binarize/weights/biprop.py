"""Multi-prize tickets: weights stay at their initial values; scores decide which are kept."""

from torch import Tensor

from trainers.binarize.weights.scores import (
    ScoredBinarizer,
    checked_share,
    kept_by_share,
    num_kept,
    ticket,
)
from trainers.errors import Fault


class BipropBinarizer(ScoredBinarizer):
    """Keeps the share `keep` of a layer's weights with the largest |score|, as sign times scale.

    Forward:   b = a * sign(w) where kept, else 0;  a = mean of |w| over the kept
    Backward:  db/ds = w * sign(s) for every element, kept or not; a counts as a constant, and w
               gets no gradient

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw).
        keep: Share of weights to keep, in (0, 1]: n - int((1 - keep) n) of n. Among equal scores,
            the first are kept. The published code calls this `prune_rate`.
        published_alpha: Divide the sum of |w| by int(keep n), which may be one less than the
            number of kept weights, or 0.
        train_scores: False: do not train the scores, which gives a random subnet.

    Raises:
        SpecError: If keep is outside (0, 1].

    Source: Diffenderfer & Kailkhura 2021, Multi-Prize Tickets, arXiv:2103.09377, alg. 1.
    Where we differ: the published scale divides by int(keep n) (`published_alpha`); the published
        sign of 0 is 0.
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

    @property
    def collapse(self) -> Fault | None:
        """The published scale of a layer with too few weights divides by 0."""
        size = self.scores.numel()
        if not self.published_alpha or int(self.keep * size):
            return None
        what = f"{size} weights times keep are less than 1, so the published scale divides by 0"
        return Fault("", what, "train without published_alpha, or with a larger keep")

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns scale times sign where the score is among the largest, else 0."""
        kept = kept_by_share(self.scores.detach(), self.keep)
        size = latent.numel()
        count = int(self.keep * size) if self.published_alpha else num_kept(size, self.keep)
        return ticket(self.scores, latent, kept, count)
