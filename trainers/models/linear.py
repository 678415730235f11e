"""A linear layer that takes the faster of torch's two CPU matrix products.

For float32 on a CPU torch's `linear` calls MKL, which on AMD processors stays with 256-bit
instructions; oneDNN, which torch carries too, uses what the processor has. On a Zen 5 core the
product of a 784 x 300 layer takes half the time. The result is that of
`torch.nn.functional.linear` up to the order of summation.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

SMALLEST = 2**14
"""Weights in a layer below which calling from Python costs more than the product gains."""


def _onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns x @ weight.T + bias, by the operator that torch's compiler emits for CPUs."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


def _is_available() -> bool:
    """Whether this build of torch has the operator, and it takes what we give it."""
    try:
        x = torch.ones(2, 3)
        return bool(torch.equal(_onednn_linear(x, x, torch.ones(2)), functional.linear(x, x) + 1))
    except (AttributeError, RuntimeError, TypeError):
        return False


HAS_ONEDNN = _is_available()


class _OneDnnLinear(torch.autograd.Function):
    """`functional.linear` with its gradients, all three products by oneDNN."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn_linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _onednn_linear(gradient, weight.t()) if of_x else None,
            _onednn_linear(gradient.t(), x.t()) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


class Linear(nn.Linear):
    """`nn.Linear`, faster for float32 matrices on a CPU.

    Where it is faster it has first derivatives only: a second one raises RuntimeError, and
    `torch.func` does not reach through it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Returns x @ weight.T + bias, (batch, out), of x, (batch, in)."""
        weight = self.weight
        suits = (
            weight.numel() >= SMALLEST
            and HAS_ONEDNN
            and type(x) is Tensor
            and x.dim() == 2
            and x.shape[0] > 0
            and x.shape[1] == weight.shape[1]
            and x.dtype == weight.dtype == torch.float32
            and x.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
        )
        if not suits:
            return functional.linear(x, weight, self.bias)
        result: Tensor = _OneDnnLinear.apply(x, weight, self.bias)
        return result
