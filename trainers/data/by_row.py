"""Random numbers and boxes of a picture that depend on a seed and its row alone."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Box = Callable[[int, int], list[int]]
"""Takes height and width of a picture; returns top, left, height and width of the box in it. So it
can be drawn before the picture is opened."""


def placed(boxes: Sequence[Box], sizes: Tensor) -> Tensor:
    """The boxes in pictures of these heights and widths, (n, 2): (n, 4), int64."""
    each = zip(boxes, sizes.tolist(), strict=True)
    found = [box(height, width) for box, (height, width) in each]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 4)


def uniform(seed: int, rows: Tensor, *, num: int) -> Tensor:
    """Returns numbers from 0 to 1, (num, n), float64; the same in whatever batch a row stands.

    Number k of row r is output r num + k of the generator SplitMix64, whose state after so many
    steps is known without making them.

    Args:
        seed: 0 or more, below 2^63.
        rows: Rows, (n,), int64.
        num: Numbers of each row.

    Source: Steele et al. 2014, Fast splittable pseudorandom number generators.
    """
    places = rows.numpy().astype(np.uint64)[None] * np.uint64(num)
    places = places + np.arange(num, dtype=np.uint64)[:, None]
    state = np.uint64(seed) + (places + np.uint64(1)) * STEP
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    state ^= state >> np.uint64(31)
    return torch.from_numpy((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)
