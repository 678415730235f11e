"""Random-resized crop: trains on a part of each picture, scaled to the size of the images."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from trainers.binding import Record
from trainers.data.by_row import uniform
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
            return self.boxes(sizes, torch.rand(shape, generator=generator, dtype=torch.float64))

        return drawn

    def by_row(self, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
        """Returns the function that draws a box for each picture from its row alone.

        It takes heights and widths, (n, 2), and rows, (n,), and returns boxes as above.

        Args:
            seed: Seed of the epoch; 0 or more.
        """

        def drawn(sizes: Tensor, rows: Tensor) -> Tensor:
            draws = uniform(seed, rows, num=4 * ATTEMPTS)
            return self.boxes(sizes, draws.reshape(4, ATTEMPTS, len(rows)).transpose(1, 2))

        return drawn

    def boxes(self, sizes: Tensor, draws: Tensor) -> Tensor:
        """Returns the box of each picture, (n, 4), int64.

        Args:
            sizes: Heights and widths, (n, 2), int64.
            draws: For each attempt at area, ratio, top and left, numbers from 0 to 1,
                (4, n, attempts).
        """
        full = sizes.double()[:, :, None]
        area = full.prod(1) * (self.scale[0] + (self.scale[1] - self.scale[0]) * draws[0])
        low, high = (math.log(number) for number in self.ratio)
        ratio = (low + (high - low) * draws[1]).exp()
        sides = torch.stack(((area / ratio).sqrt().round(), (area * ratio).sqrt().round()), dim=1)
        corners = (draws[2:].movedim(0, 1) * (full - sides + 1)).floor()
        fits = ((sides >= 1) & (sides <= full)).all(1)
        # The first of equal values is the first box that fits.
        first = fits.to(torch.uint8).argmax(1)[:, None, None].expand(-1, 4, 1)
        found = torch.cat((corners, sides), dim=1).gather(2, first)[:, :, 0].long()
        return torch.where(fits.any(1)[:, None], found, self._central(sizes))

    def _central(self, sizes: Tensor) -> Tensor:
        """The largest boxes in the centre whose shape is allowed, (n, 4), int64."""
        height, width = sizes.double().unbind(1)
        low, high = self.ratio
        ratio = (width / height).clamp(low, high)
        sides = torch.stack(
            (
                torch.minimum(height, (width / ratio).round()),
                torch.minimum(width, (height * ratio).round()),
            ),
            dim=1,
        ).long()
        return torch.cat(((sizes - sides) // 2, sides), dim=1)
