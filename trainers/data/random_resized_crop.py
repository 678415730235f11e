"""Random-resized crop: trains on a part of each picture, scaled to the size of the images."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Generator, Tensor

from trainers.binding import Record
from trainers.data.by_row import Box, placed, uniform
from trainers.errors import Fault, SpecError

ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomResizedCrop(Record):
    """Cuts a box of random area and shape out of each picture, at a random place.

    A box that does not fit into its picture is drawn again; after ten boxes, the centre is taken,
    as large as `ratio` allows. So do torchvision's transforms of this name.

    Args:
        scale: Least and largest share of the picture's area, above 0 and at most 1.
        ratio: Least and largest width by height, above 0; its logarithm is drawn evenly.

    Raises:
        SpecError: If a number is out of its range.

    Source: Szegedy et al. 2015, arXiv:1409.4842, sec. 6.
    Where we differ: torchvision's RandomSizedCrop of 2017, which the code of arXiv:1804.02941
        uses, drew the ratio itself evenly, and turned half of the boxes by 90 degrees.
    """

    kind: ClassVar[str] = "random_resized_crop"

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        """Checks the numbers."""
        low, high = self.scale
        if not 0 < low <= high <= 1:
            what = (
                f"must be two shares, the smaller first, above 0 and at most 1, got {low}, {high}"
            )
            raise SpecError(Fault("scale", what))
        low, high = self.ratio
        if not 0 < low <= high:
            what = f"must be two numbers above 0, the smaller first, got {low}, {high}"
            raise SpecError(Fault("ratio", what))

    def drawer(self, generator: Generator) -> Callable[[Tensor], Tensor]:
        """Returns the function that draws a box for each picture of a batch.

        It takes heights and widths, (n, 2), and returns top, left, height and width of the boxes,
        (n, 4); both int64, on the CPU.

        Args:
            generator: A CPU generator; each batch draws from it.
        """

        def drawn(sizes: Tensor) -> Tensor:
            shape = (4, len(sizes), ATTEMPTS)
            draws = torch.rand(shape, generator=generator, dtype=torch.float64)
            return placed(self.boxes(draws), sizes)

        return drawn

    def by_row(self, seed: int) -> Callable[[Tensor], list[Box]]:
        """Returns the function that draws a box for each row, (n,), from the row alone.

        Args:
            seed: Seed of the epoch; 0 or more.
        """

        def drawn(rows: Tensor) -> list[Box]:
            draws = uniform(seed, rows, num=4 * ATTEMPTS)
            return self.boxes(draws.reshape(4, ATTEMPTS, len(rows)).transpose(1, 2))

        return drawn

    def boxes(self, draws: Tensor) -> list[Box]:
        """Returns the box of each of n pictures.

        Args:
            draws: For each attempt at area, ratio, top and left, numbers from 0 to 1,
                (4, n, attempts).
        """
        low, high = (math.log(number) for number in self.ratio)
        shares = self.scale[0] + (self.scale[1] - self.scale[0]) * draws[0]
        ratios = (low + (high - low) * draws[1]).exp()
        each = torch.stack((shares, ratios, draws[2], draws[3]), dim=2)
        return [partial(self._box, attempts) for attempts in each.tolist()]

    def _box(self, attempts: Sequence[Sequence[float]], height: int, width: int) -> list[int]:
        for share, ratio, top, left in attempts:
            area = height * width * share
            tall, wide = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 1 <= tall <= height and 1 <= wide <= width:
                return [int(top * (height - tall + 1)), int(left * (width - wide + 1)), tall, wide]
        return self._central(height, width)

    def _central(self, height: int, width: int) -> list[int]:
        """The largest box in the centre whose shape is allowed."""
        low, high = self.ratio
        ratio = min(max(width / height, low), high)
        tall, wide = min(height, round(width / ratio)), min(width, round(height * ratio))
        tall, wide = max(1, tall), max(1, wide)
        return [(height - tall) // 2, (width - wide) // 2, tall, wide]
