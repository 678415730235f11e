"""First weights from a generator of one's own instead of torch's global one."""

import math

import torch
from torch import Generator, Tensor, nn


@torch.no_grad()
def initialise(model: nn.Module, generator: Generator) -> None:
    """Redraws all weights of a plain model as torch's layers draw theirs, from `generator`.

    Linear and Conv2d: weight and bias uniform in ±1/sqrt(fan-in), that is Kaiming-uniform with
    a = sqrt(5) for the weight. BatchNorm: weight 1, bias 0. Layers draw in registration order.

    Args:
        model: A model without binarizers, on the CPU.
        generator: A CPU generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if isinstance(module.bias, Tensor):
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
