"""Rotation of training images by a random angle."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from trainers.data.image_operations import rotated
from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation(Variation):
    """Rotates each image about its centre; black where nothing was.

    Each pixel is the nearest one of the image, as in torchvision's RandomRotation.

    Args:
        degrees: Largest angle to either side, above 0 and at most 180; all are equally likely.

    Raises:
        SpecError: If the angle is out of range.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 9 (15 degrees).
    """

    kind: ClassVar[str] = "rotation"
    stands_alone: ClassVar[bool] = False

    degrees: float = 15.0

    def __post_init__(self) -> None:
        """Checks the angle."""
        if not 0 < self.degrees <= 180:
            what = f"must be above 0 and at most 180, got {self.degrees}"
            raise SpecError(Fault("degrees", what))

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the rotated images, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        angles = torch.empty(len(pixels)).uniform_(-1, 1, generator=generator) * self.degrees
        return rotated(pixels, angles.to(pixels.device), mode="nearest").float()
