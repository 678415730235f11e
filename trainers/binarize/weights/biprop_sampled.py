"""Supermasks: every forward pass draws which weights are kept."""

import torch
from torch import Generator, Tensor

from trainers.binarize.weights.scores import ScoredBinarizer
from trainers.errors import Fault


class BipropSampledBinarizer(ScoredBinarizer):
    """Keeps each weight with a probability given by its score, drawn anew in every pass.

    Forward:   b = w * m,  m = 1 with probability sigmoid(s), else 0
    Backward:  db/ds = w * sigmoid'(s): straight through the draw; w gets no gradient

    Weights stay real numbers, as in the published code.

    Args:
        latent: Latent weight of any shape.
        score: Initial value of every score; None: drawn as in `biprop`.
        train_scores: False: do not train the scores, so the probabilities stay.

    Source: Zhou et al. 2019, Supermasks, arXiv:1905.01067, sec. 4; `SampleSubnetConv` in the code
        published with arXiv:2103.09377.
    """

    always_binary = False
    capturable = False
    export_fault = Fault(
        "",
        "is drawn anew in every forward pass, so a file would hold only one of many draws",
        "train with biprop or biprop_global, whose scores determine the kept weights",
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
        """Uses the epoch's generator for all draws."""
        self.generator = generator

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns the latent weight where the draw keeps it, else 0."""
        chance = torch.sigmoid(self.scores)
        # On the CPU, so that the draws are the same on every device.
        drawn = torch.rand(latent.shape, generator=self.generator).to(latent.device)
        mask = (drawn < chance.detach()).to(latent.dtype)
        return latent.detach() * (chance + (mask - chance.detach()))
