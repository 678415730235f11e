"""The sign times a constant, for networks deployed with one bit per weight."""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from trainers.binarize.ste import sign
from trainers.binarize.weights.base import WeightBinarizer
from trainers.errors import Fault, SpecError


class McDonnellBinarizer(WeightBinarizer):
    """Sign of the latent weight, times the standard deviation of its layer's initialisation.

    Forward:   b = a * sign(w), a = sqrt(2 / fan-in), with sign(0) = zero
    Backward:  db/dw = 1 everywhere: the gradient is not multiplied by a

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw); only its shape is used.
        zero: Sign of a latent weight of +0.0 or -0.0: 1; or 0, as in the published code.

    Raises:
        SpecError: If zero is neither 1 nor 0.

    Source: McDonnell 2018, arXiv:1802.08530, eq. 1.
    Where we differ: in the published code zeros stay 0 (`zero: 0`), which one stored bit cannot
        represent.
    """

    def __init__(self, latent: Tensor, *, zero: int = 1) -> None:
        super().__init__()
        if zero not in (0, 1):
            raise SpecError(Fault("zero", f"must be 1 or 0, got {zero}"))
        self.scale = math.sqrt(2 / latent[0].numel())
        self.zero = zero

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns the scale where the latent weight is positive, minus it where negative."""
        result: Tensor = _ScaledSign.apply(latent, self.scale, self.zero)
        return result


class _ScaledSign(torch.autograd.Function):
    """Forward: scale times the sign of x. Backward: the gradient, unchanged."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, scale: float, zero: int) -> Tensor:
        return (sign(x) if zero else torch.sign(x)).mul_(scale)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None
