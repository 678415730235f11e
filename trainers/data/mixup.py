"""Mix-up: trains on mixtures of two images, with the labels of both."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator
from torch.distributions import Beta

from trainers.binding import Record
from trainers.data.splits import Split
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixup(Record):
    """Mixes each image of a batch with another one of it; one share for the whole batch.

    x = m x_i + (1 - m) x_j,  loss = m L(y_i) + (1 - m) L(y_j),  m ~ Beta(alpha, alpha)

    Args:
        alpha: Parameter of the Beta distribution; positive. Small: most mixtures are almost one
            image; 1: all shares are equally likely.

    Raises:
        SpecError: If alpha is not positive.

    Source: Zhang et al. 2018, arXiv:1710.09412, sec. 2.
    Where we differ: m is the larger one of the two shares, and i and j change places with it. It
        is the same mixture, and the label of a batch is that of the image that is seen most.
    """

    kind: ClassVar[str] = "mixup"

    alpha: float = 1.0

    def __post_init__(self) -> None:
        """Checks the parameter."""
        if not self.alpha > 0:
            raise SpecError(Fault("alpha", f"must be positive, got {self.alpha}"))

    def mixer(self, generator: Generator) -> Callable[[Split], Split]:
        """Returns the function that mixes a normalised batch.

        Args:
            generator: A CPU generator; each batch draws from it.
        """

        def mixed(batch: Split) -> Split:
            share = _share(self.alpha, generator)
            partner = torch.randperm(len(batch), generator=generator).to(batch.labels.device)
            images = share * batch.images + (1 - share) * batch.images[partner]
            others = batch.labels[partner]
            return replace(batch, images=images, others=others, share=share)

        return mixed


def _share(alpha: float, generator: Generator) -> float:
    """Draws the larger one of two shares; from 1/2 to 1."""
    seed = int(torch.randint(2**62, (), generator=generator))
    # Beta draws from torch's global generator, which is as before afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        share = Beta(alpha, alpha).sample().item()
    return max(share, 1 - share)
