"""Lighting: shifts the colour of an image along the main directions of colours in ImageNet."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor

from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError

EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
"""One column for each eigenvalue; rows are red, green and blue."""


def increments(normals: Tensor, *, std: float) -> Tensor:
    """What is added to red, green and blue of each image, for values from 0 to 1, (n, 3).

    sum over j of EIGENVECTORS[:, j] * EIGENVALUES[j] * std * r_j

    Args:
        normals: Numbers r from the standard normal distribution, (n, 3).
        std: Their factor.
    """
    vectors = normals.new_tensor(EIGENVECTORS)
    return (normals * std * normals.new_tensor(EIGENVALUES)) @ vectors.T


def on_bytes(pixels: Tensor, added: Tensor) -> Tensor:
    """Adds what is meant for values from 0 to 1 to bytes, and cuts the result to bytes.

    So an increment between 0 and 1 does nothing, and one between -1 and 0 subtracts a whole level;
    what leaves the range comes in again at the other end.

    Args:
        pixels: (n, 3, height, width), from 0 to 255.
        added: (n, 3).
    """
    whole = (pixels.to(added.dtype) + added[:, :, None, None]).trunc()
    return whole.long().remainder(256).byte()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lighting(Variation):
    """Adds the same random colour to all pixels of an image, before it is normalised.

    Args:
        std: Standard deviation of the step along each direction, relative to its eigenvalue;
            positive.
        arithmetic: real: on values from 0 to 1, which stay between black and white; published: the
            snippet of the training tricks, which adds such small numbers to bytes.

    Raises:
        SpecError: If a number or a word is out of its range.

    Source: Krizhevsky et al. 2012, AlexNet, sec. 4.1;
        HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 9.
    """

    kind: ClassVar[str] = "lighting"
    stands_alone: ClassVar[bool] = False
    takes_bytes: ClassVar[bool] = False

    std: float = 0.1
    arithmetic: Literal["real", "published"] = "real"

    def __post_init__(self) -> None:
        """Checks the options."""
        if not self.std > 0:
            raise SpecError(Fault("std", f"must be positive, got {self.std}"))
        if self.arithmetic not in ("real", "published"):
            known = "known: published, real"
            raise SpecError(Fault("arithmetic", f"unknown value '{self.arithmetic}'", known))

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """Returns a fault if the images have no three colours."""
        if shape[0] == 3:
            return []
        return [Fault("", f"is for three colours, but images have {shape[0]} channels")]

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the images in their new light, floating point from 0 to 255.

        Args:
            pixels: (n, 3, height, width), uint8 or floating point from 0 to 255.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        normals = torch.randn(len(pixels), 3, generator=generator).to(pixels.device)
        added = increments(normals, std=self.std)
        if self.arithmetic == "published":
            return on_bytes(pixels, added).float()
        return (pixels.float() + 255 * added[:, :, None, None]).clamp_(0, 255)
