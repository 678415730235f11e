"""The sign times a constant: networks that are deployed with one bit a weight."""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from trainers.binarize.ste import sign
from trainers.binarize.weights.base import WeightBinarizer
from trainers.errors import Fault, SpecError


class McDonnellBinarizer(WeightBinarizer):
    """Sign of the latent weight, times the standard deviation that its layer is initialised with.

    Forward:   b = a * sign(w), a = sqrt(2 / fan-in), with sign(0) = zero
    Backward:  db/dw = 1 everywhere: the gradient is not multiplied by a

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw); only its shape is used.
        zero: What the sign of a latent weight of +0.0 or -0.0 is: 1; or 0, as the published code
            has it.

    Raises:
        SpecError: If zero is neither 1 nor 0.

    Source: McDonnell 2018, arXiv:1802.08530, eq. 1.
    Where we differ: the published code lets zeros stay 0 (`zero: 0`); a stored bit cannot.
    """

    def __init__(self, latent: Tensor, *, zero: int = 1) -> None:
        super().__init__()
        if zero not in (0, 1):
            raise SpecError(Fault("zero", f"must be 1 or 0, got {zero}"))
        self.scale = math.sqrt(2 / latent[0].numel())
        self.zero = zero

    def binarize(self, latent: Tensor) -> Tensor:
        """The scale where the latent weight is positive, minus it where it is negative."""
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
