"""Gaussian noise on training images."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaussian(Variation):
    """Adds noise to an image before normalisation; values stay between black and white.

    Args:
        std: Standard deviation, for values from 0 to 1; positive.
        clean: Fraction of images without noise, in [0, 1).

    Raises:
        SpecError: If a number is out of its range.

    Source: the code published with arXiv:2103.09377, `CIFAR10_gaussian`.
    """

    kind: ClassVar[str] = "gaussian"

    std: float = 0.1
    clean: float = 0.0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if not self.std > 0:
            raise SpecError(Fault("std", f"must be positive, got {self.std}"))
        if not 0 <= self.clean < 1:
            raise SpecError(Fault("clean", f"must be in [0, 1), got {self.clean}"))

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the images with noise, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        noise = torch.randn(pixels.shape, generator=generator).mul_(255 * self.std)
        is_clean = torch.rand(len(pixels), 1, 1, 1, generator=generator) < self.clean
        noise.masked_fill_(is_clean, 0)
        return noise.to(pixels.device).add_(pixels).clamp_(0, 255)
