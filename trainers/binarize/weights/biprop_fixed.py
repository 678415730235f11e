"""Multi-prize tickets that are given: nothing of them is trained."""

from torch import Tensor

from trainers.binarize.weights.scores import ScoredBinarizer, checked_share, kept_by_share


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
        self.keep = self.kept_share = checked_share(keep)

    def binarize(self, latent: Tensor) -> Tensor:
        """The latent weight where it is kept, else 0."""
        return latent.detach() * kept_by_share(self.scores.detach(), self.keep)
