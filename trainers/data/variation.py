"""The base class of augmentations that change pixels."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from trainers.binding import Record
from trainers.errors import Fault


class Variation(Record):
    """Changes the pixels of training images; its fields are its options."""

    __slots__ = ()

    stands_alone: ClassVar[bool] = True
    """Whether it cannot be combined with another one of which this is true."""
    takes_bytes: ClassVar[bool] = True
    """Behind another one: whether it gets that one's result rounded to bytes."""

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the varied images, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8; real if it takes no bytes.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        raise NotImplementedError

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """Returns the faults for images of this shape (channels, height, width)."""
        return []


@dataclass(frozen=True, kw_only=True, slots=True)
class Several(Variation):
    """Several changes of pixels, one after the other.

    Args:
        parts: The changes, in order; two or more.
    """

    kind: ClassVar[str] = "several"

    parts: tuple[Variation, ...] = ()

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the images after all changes, floating point from 0 to 255."""
        for part in self.parts:
            if part.takes_bytes and pixels.is_floating_point():
                pixels = pixels.round().clamp(0, 255).byte()
            pixels = part.varied(pixels, generator)
        return pixels

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """Returns the faults of all parts, each under its key."""
        return [fault.under(part.kind) for part in self.parts for fault in part.faults(shape)]
