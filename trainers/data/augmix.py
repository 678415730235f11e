"""AugMix: mixes an image with chains of random operations on it, one batch at a time."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from trainers.data.image_operations import ALL, OPERATIONS
from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError

MOST_DRAWN = 3
"""Most operations in a chain when their number is drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AugMix(Variation):
    """A mixture of an image and chains of operations on it.

    (1 - m) image + m sum_i w_i chain_i;  m ~ Beta(1, 1), w ~ Dirichlet(1, ..., 1)

    Each operation has a level drawn uniformly from 0.1 to `severity`; the scale ends at 10.

    Args:
        width: Number of chains; 1 or more.
        depth: Operations in each chain; null: drawn from one to three.
        severity: Highest level; above 0.1 and at most 10.
        all: Also use colour, contrast, brightness and sharpness, which overlap with the
            corruptions of CIFAR-10-C.

    Raises:
        SpecError: If a number is out of its range.

    Source: Hendrycks et al. 2020, arXiv:1912.02781, alg. 1, with operations as published.
    """

    kind: ClassVar[str] = "augmix"

    width: int = 3
    depth: int | None = None
    severity: float = 3.0
    all: bool = False

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.width < 1:
            raise SpecError(Fault("width", f"must be 1 or more, got {self.width}"))
        if self.depth is not None and self.depth < 1:
            raise SpecError(Fault("depth", f"must be 1 or more, or null, got {self.depth}"))
        if not 0.1 < self.severity <= 10:
            what = f"must be above 0.1 and at most 10, got {self.severity}"
            raise SpecError(Fault("severity", what))

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the mixtures, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        num = len(pixels)
        # Exponential numbers divided by their sum are Dirichlet(1, ..., 1).
        weights = torch.empty(self.width, num, 1, 1, 1).exponential_(generator=generator)
        weights = (weights / weights.sum(0)).to(pixels.device)
        mixed = torch.rand(num, 1, 1, 1, generator=generator).to(pixels.device)
        chains = torch.zeros(pixels.shape, device=pixels.device)
        for weight in weights:
            chains += weight * self._chain(pixels, generator)
        return (1 - mixed) * pixels + mixed * chains

    def _chain(self, pixels: Tensor, generator: Generator) -> Tensor:
        operations = ALL if self.all else OPERATIONS
        num, most = len(pixels), self.depth or MOST_DRAWN
        lengths = torch.full((num,), most)
        if self.depth is None:
            lengths = torch.randint(1, MOST_DRAWN + 1, (num,), generator=generator)
        result = pixels.clone()
        for step in range(most):
            chosen = torch.randint(len(operations), (num,), generator=generator)
            levels = torch.empty(num).uniform_(0.1, self.severity, generator=generator)
            signs = torch.randint(2, (num,), generator=generator).mul_(2).sub_(1)
            for number, operation in enumerate(operations):
                which = ((chosen == number) & (step < lengths)).nonzero()[:, 0]
                if len(which):
                    parts = (levels[which].to(pixels.device), signs[which].to(pixels.device))
                    which = which.to(pixels.device)
                    result[which] = operation(result[which], *parts)
        return result
