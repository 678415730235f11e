"""The base class of augmentations that change pixels."""

from torch import Generator, Tensor

from trainers.binding import Record


class Variation(Record):
    """Changes the pixels of training images; its fields are its options."""

    __slots__ = ()

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the varied images, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        raise NotImplementedError
