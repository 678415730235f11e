"""The learning rate as a number on the device, where a recorded step finds it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

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
    rate.fill_(optimizer.param_groups[0]["lr"])
    with _set(optimizer, "lr", rate):
        yield


def capturable(optimizer: torch.optim.Optimizer) -> AbstractContextManager[None]:
    """Within the block, torch lets a CUDA graph record the optimizer's update.

    Its fused updates are those of every other step; torch only asks for the word.
    """
    return _set(optimizer, "capturable", True)


@contextmanager
def _set(optimizer: torch.optim.Optimizer, name: str, value: object) -> Iterator[None]:
    """Sets an option in all groups that have it, and puts it back afterwards."""
    groups = [group for group in optimizer.param_groups if name in group]
    before = [group[name] for group in groups]
    for group in groups:
        group[name] = value
    try:
        yield
    finally:
        for group, own in zip(groups, before, strict=True):
            group[name] = own
