"""Random transforms of torchvision, on each image of a batch by itself."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor


def one_by_one(
    transform: Callable[[Tensor], Tensor], pixels: Tensor, generator: Generator
) -> Tensor:
    """Transforms each image with draws of its own; floating point from 0 to 255.

    These transforms draw from torch's global generator, which is as before afterwards. It is
    seeded for each image from ours.

    Args:
        transform: Maps an image, (channels, height, width), uint8, to one of its shape and dtype.
        pixels: (n, channels, height, width), uint8.
        generator: A CPU generator, so that the draws are the same on every device.
    """
    seeds = torch.randint(2**62, (len(pixels),), generator=generator).tolist()
    result = torch.empty_like(pixels, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        for number, seed in enumerate(seeds):
            # `torch.manual_seed` would also seed the generators of GPUs.
            torch.default_generator.manual_seed(seed)
            result[number] = transform(pixels[number])
    return result
