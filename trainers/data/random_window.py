"""Random windows: trains on a part of each uncut picture that is not scaled any more."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from trainers.data.by_row import uniform


def window_drawer(generator: Generator, *, size: int) -> Callable[[Tensor], Tensor]:
    """Returns the function that draws a window of each picture of a batch, all places alike.

    It takes heights and widths, (n, 2), none of them below `size`, and returns top, left, height
    and width of the windows, (n, 4); both int64, on the CPU. So does torchvision's RandomCrop.

    Args:
        generator: A CPU generator; each batch draws from it.
        size: Height and width of the windows.
    """

    def drawn(sizes: Tensor) -> Tensor:
        draws = torch.rand(sizes.shape, generator=generator, dtype=torch.float64)
        return _windows(sizes, draws, size)

    return drawn


def windows_by_row(seed: int, *, size: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns the function that draws a window of each picture from its row alone.

    It takes heights and widths, (n, 2), and rows, (n,), and returns windows as above.

    Args:
        seed: Seed of the epoch; 0 or more.
        size: Height and width of the windows.
    """

    def drawn(sizes: Tensor, rows: Tensor) -> Tensor:
        return _windows(sizes, uniform(seed, rows, num=2).T, size)

    return drawn


def _windows(sizes: Tensor, draws: Tensor, size: int) -> Tensor:
    """The windows whose top and left are those shares of all places, (n, 4), int64."""
    corners = (draws * (sizes - size + 1)).floor().long()
    return torch.cat((corners, torch.full_like(corners, size)), dim=1)
