"""Torch's optimizers without its compiler.

Torch wraps the methods of its optimizers so that the compiler skips them. The wrapper loads the
compiler, which doubles the import time of torch. Nothing here is ever compiled.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch


class Eager(torch.optim.Optimizer):
    """Mixin, listed before one of torch's optimizers: the same methods without the wrapper."""

    add_param_group: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Makes torch's update; returns the closure's loss, if any.

        Args:
            closure: As in `torch.optim.Optimizer.step`.
        """
        with torch.no_grad():
            return inspect.unwrap(super().step)(self, closure)


class Sgd(Eager, torch.optim.SGD):
    """Torch's stochastic gradient descent, also where some parameters join later."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Makes torch's update; returns the closure's loss, if any.

        A layer that was frozen has no momentum when it joins, and torch's fused kernel wants one
        of all parameters or of none. From a momentum of 0 the first update is the same.

        Args:
            closure: As in `torch.optim.Optimizer.step`.
        """
        for group in self.param_groups:
            if group["momentum"]:
                moved = [param for param in group["params"] if param.grad is not None]
                new = [p for p in moved if self.state[p].get("momentum_buffer") is None]
                for param in new if len(new) < len(moved) else ():
                    self.state[param]["momentum_buffer"] = torch.zeros_like(param)
        return super().step(closure)
