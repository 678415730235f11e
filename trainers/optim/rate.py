"""The learning rate as a number on the device, where a recorded step finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def on_device(optimizer: torch.optim.Optimizer, rate: Tensor) -> Iterator[None]:
    """Within the block, all groups of the optimizer take their rate from a tensor.

    It is filled with the rate that they have. Afterwards they have the number again, so that
    nothing else meets a tensor there.

    Args:
        optimizer: One whose rate is the same in all groups.
        rate: A float32 scalar on the parameters' device: torch's fused updates read no other.
    """
    groups: list[dict[str, Any]] = optimizer.param_groups
    numbers = [group["lr"] for group in groups]
    rate.fill_(numbers[0])
    for group in groups:
        group["lr"] = rate
    try:
        yield
    finally:
        for group, number in zip(groups, numbers, strict=True):
            group["lr"] = number


@contextmanager
def capturable(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Within the block, torch lets a CUDA graph record the optimizer's update.

    Its fused updates are those of every other step; torch only asks for the word.
    """
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    before = [group["capturable"] for group in groups]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group, value in zip(groups, before, strict=True):
            group["capturable"] = value
