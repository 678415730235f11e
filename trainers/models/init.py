"""First weights from a generator of one's own instead of torch's global one."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn


@runtime_checkable
class OwnInitialisation(Protocol):
    """A model that draws the weights of its layers in its own way."""

    def initialise_layer(self, layer: nn.Linear | nn.Conv2d, generator: Generator | None) -> None:
        """Redraws weight and bias of one layer; from torch's global generator if none is given."""


@torch.no_grad()
def initialise(model: nn.Module, generator: Generator) -> None:
    """Redraws all weights of a plain model, as its own default has it, from `generator`.

    Linear and Conv2d: as the model's method `initialise_layer` draws them, if it has one, else as
    the function of that name does. BatchNorm: weight 1, bias 0. Layers draw in registration
    order.

    Args:
        model: A model without binarizers, on the CPU.
        generator: A CPU generator.
    """
    draw = model.initialise_layer if isinstance(model, OwnInitialisation) else initialise_layer
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            draw(module, generator)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()


@torch.no_grad()
def initialise_layer(layer: nn.Linear | nn.Conv2d, generator: Generator | None) -> None:
    """Redraws weight and bias as torch's layers draw theirs.

    Both are uniform in ±1/sqrt(fan-in), that is Kaiming-uniform with a = sqrt(5) for the weight.
    """
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    if isinstance(layer.bias, Tensor):
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
