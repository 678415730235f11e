"""Random windows: trains on a part of each uncut picture that is not scaled any more."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from trainers.data.by_row import Box, placed, uniform


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
        return placed(_windows(draws, size), sizes)

    return drawn


def windows_by_row(seed: int, *, size: int) -> Callable[[Tensor], list[Box]]:
    """Returns the function that draws a window for each row, (n,), from the row alone.

    Args:
        seed: Seed of the epoch; 0 or more.
        size: Height and width of the windows.
    """

    def drawn(rows: Tensor) -> list[Box]:
        return _windows(uniform(seed, rows, num=2).T, size)

    return drawn


def _windows(draws: Tensor, size: int) -> list[Box]:
    return [partial(_window, shares, size) for shares in draws.tolist()]


def _window(shares: Sequence[float], size: int, height: int, width: int) -> list[int]:
    """The window whose top and left are those shares of all places."""
    top, left = shares
    return [int(top * (height - size + 1)), int(left * (width - size + 1)), size, size]
