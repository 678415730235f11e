"""The data set that lies on a GPU: once in a process, for all of its trials."""

from dataclasses import dataclass

import torch

from trainers.data.splits import Splits


@dataclass(frozen=True, slots=True)
class _Held:
    source: Splits
    device: torch.device
    dtype: torch.dtype
    there: Splits


_held: list[_Held] = []
"""The last one, or none."""


def on_gpu(source: Splits, device: torch.device, dtype: torch.dtype) -> Splits:
    """Returns a data set on a GPU; the last one that was asked for lies there already.

    Another one is let go first, so that two data sets need not fit beside each other.

    Args:
        source: The data set on the CPU; the very object tells whether it is the last one.
        device: The GPU.
        dtype: Of normalised images; bytes stay bytes.
    """
    for last in _held:
        if last.source is source and (last.device, last.dtype) == (device, dtype):
            return last.there
    forget()
    there = source.to(device, dtype)
    _held.append(_Held(source, device, dtype, there))
    return there


def forget() -> None:
    """Holds nothing any more, so that the memory can be given back."""
    _held.clear()
