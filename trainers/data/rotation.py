"""Rotation of training images by a random angle."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from trainers.data.bicubic import rotated_bicubic
from trainers.data.image_operations import rotated
from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation(Variation):
    """Rotates each image about its centre; black where nothing was.

    Args:
        degrees: Largest angle to either side, above 0 and at most 180; all are equally likely.
        interpolation: What becomes of a place between pixels: nearest, the pixel that is nearest,
            as in torchvision's RandomRotation; bicubic, of 4 × 4 pixels, as Pillow's.

    Raises:
        SpecError: If the angle is out of range, or the interpolation is unknown.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 9 (15 degrees);
        code of Prabhu et al. 2018, WACV (10 degrees, bicubic).
    """

    kind: ClassVar[str] = "rotation"
    stands_alone: ClassVar[bool] = False

    degrees: float = 15.0
    interpolation: Literal["nearest", "bicubic"] = "nearest"

    def __post_init__(self) -> None:
        """Checks the options."""
        if self.interpolation not in ("nearest", "bicubic"):
            known = "known: bicubic, nearest"
            raise SpecError(Fault("interpolation", f"unknown value '{self.interpolation}'", known))
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
        angles = angles.to(pixels.device)
        if self.interpolation == "bicubic":
            return rotated_bicubic(pixels, angles).float()
        return rotated(pixels, angles, mode="nearest").float()
