"""Gradient centralization: the mean of each output's gradient is taken away before a step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainers.optim.adam import Adam
from trainers.optim.eager import Sgd


def centralized(gradient: Tensor) -> Tensor:
    """Returns the gradient less its mean over all axes but the first, that of the outputs.

    A gradient with one axis, of a bias or a normalisation, is returned as it is.

    Args:
        gradient: Gradient of a weight, (out, ...).

    Source: Yong et al. 2020, arXiv:2004.01461, eq. 1.
    """
    if gradient.dim() < 2:
        return gradient
    return gradient - gradient.mean(tuple(range(1, gradient.dim())), keepdim=True)


class Centralizing(torch.optim.Optimizer):
    """Mixin, listed before an optimizer: centralizes all gradients, then makes its update.

    Weight decay is added to the centralized gradient.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient; returns the closure's loss, if any.

        Args:
            closure: As in `torch.optim.Optimizer.step`.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = centralized(parameter.grad)
        super().step()
        return loss

    # As in `Adam`: torch shall not wrap this.
    step.hooked = True  # type: ignore[attr-defined]


class CentralizedAdam(Centralizing, Adam):
    """Adam of centralized gradients."""


class CentralizedSgd(Centralizing, Sgd):
    """Stochastic gradient descent of centralized gradients."""
