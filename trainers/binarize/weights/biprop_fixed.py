"""Fixed multi-prize tickets: nothing is trained."""

from torch import Tensor

from trainers.binarize.weights.scores import ScoredBinarizer, checked_share, kept_by_share


class BipropFixedBinarizer(ScoredBinarizer):
    """A fixed subnet, chosen by its scores; nothing is trained, and weights stay real.

    Forward:   b = w where |score| is among the largest, else 0
    Backward:  none

    Its state has the same keys as that of `biprop`, so it can load a trained ticket.

    Args:
        latent: Latent weight of any shape.
        keep: Share of weights to keep, in (0, 1].

    Raises:
        SpecError: If keep is outside (0, 1].

    Source: `FixedSubnetConv` in the code published with arXiv:2103.09377, whose option is the
        share to remove.
    """

    always_binary = False

    def __init__(self, latent: Tensor, *, keep: float = 0.5) -> None:
        super().__init__(latent, train_scores=False)
        self.keep = self.kept_share = checked_share(keep)

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns the latent weight where it is kept, else 0."""
        return latent.detach() * kept_by_share(self.scores.detach(), self.keep)
