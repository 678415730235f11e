"""Random brightness, contrast, saturation and hue of training images."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from trainers.data.one_by_one import one_by_one
from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class ColorJitter(Variation):
    """Changes brightness, contrast, saturation and hue of each image, in random order.

    This is torchvision's ColorJitter (v2), one image after the other. Grey images have neither
    saturation nor hue.

    Args:
        brightness: Its factor is drawn from 1 - brightness to 1 + brightness; 0 or more.
        contrast: As brightness.
        saturation: As brightness.
        hue: Its shift is drawn from -hue to hue, as a part of the circle; from 0 to 0.5.

    Raises:
        SpecError: If a number is out of its range, or all are 0.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 9.
    """

    kind: ClassVar[str] = "color_jitter"
    stands_alone: ClassVar[bool] = False

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise SpecError(Fault(name, f"must be 0 or more, got {getattr(self, name)}"))
        if not 0 <= self.hue <= 0.5:
            raise SpecError(Fault("hue", f"must be between 0 and 0.5, got {self.hue}"))
        if not (self.brightness or self.contrast or self.saturation or self.hue):
            raise SpecError(Fault("", "changes nothing: all numbers are 0", "remove it"))

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """Returns a fault if the images have neither one colour nor three."""
        if shape[0] in (1, 3):
            return []
        return [Fault("", f"is for grey or three colours, but images have {shape[0]} channels")]

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the changed images, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        # Its import takes longer than most trials take to be checked.
        from torchvision.transforms import v2

        jitter = v2.ColorJitter(  # type: ignore[attr-defined]
            brightness=self.brightness,
            contrast=self.contrast,
            saturation=self.saturation,
            hue=self.hue,
        )
        return one_by_one(jitter, pixels, generator)
