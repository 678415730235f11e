"""Supermasks: which weights are there is drawn in every forward pass."""

import torch
from torch import Generator, Tensor

from trainers.binarize.weights.scores import ScoredBinarizer
from trainers.errors import Fault


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
    export_fault = Fault(
        "",
        "is drawn anew in every forward pass, and a file would hold one draw of many",
        "train with biprop or biprop_global, whose scores say which weights are kept",
    )

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

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """What is there is drawn from the epoch's own generator."""
        self.generator = generator

    def binarize(self, latent: Tensor) -> Tensor:
        """The latent weight where it was drawn, else 0."""
        chance = torch.sigmoid(self.scores)
        # On the CPU, so that the draws are the same on every device.
        drawn = torch.rand(latent.shape, generator=self.generator).to(latent.device)
        mask = (drawn < chance.detach()).to(latent.dtype)
        return latent.detach() * (chance + (mask - chance.detach()))
