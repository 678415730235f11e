"""Functions that bound a tensor to [-1, 1], hard or with a slope outside."""

import torch
from torch import Tensor
from torch.nn import functional


def hard_clip(x: Tensor) -> Tensor:
    """Returns x between -1 and 1; a new tensor of its shape and dtype.

    Forward:   x where |x| < 1, else sign(x)
    Backward:  1 where |x| < 1, else 0; so none at ±1, unlike `Tensor.clamp`
    """
    return functional.hardtanh(x)


def leaky_clip(x: Tensor, *, slope: float = 0.1) -> Tensor:
    """Returns x, less steep outside of ±1; a new tensor of its shape and dtype.

    Forward:   x where |x| <= 1, else slope * x + (1 - slope) * sign(x)
    Backward:  1 where |x| <= 1, else slope
    """
    return torch.where(x.abs() <= 1, x, slope * x + (1 - slope) * x.sign())
