"""Draws initial weights from a given generator instead of torch's global one."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn


@runtime_checkable
class OwnInitialisation(Protocol):
    """A model with its own initialisation of layers."""

    def initialise_layer(self, layer: nn.Linear | nn.Conv2d, generator: Generator | None) -> None:
        """Redraws weight and bias of one layer; None: from torch's global generator."""


@torch.no_grad()
def initialise(model: nn.Module, generator: Generator) -> None:
    """Redraws all weights of a model from `generator`, with the model's default initialisation.

    Linear and Conv2d: the model's own method `initialise_layer` if it has one, else the function
    of that name. BatchNorm: weight 1, bias 0. Layers draw in registration order.

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
    """Redraws weight and bias with torch's default initialisation.

    Both are uniform in ±1/sqrt(fan-in); for the weight this is Kaiming-uniform with a = sqrt(5).
    """
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    if isinstance(layer.bias, Tensor):
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
