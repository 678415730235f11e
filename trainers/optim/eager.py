"""Torch's optimizers without its compiler.

Torch wraps their methods to make its compiler pass them by, and loads the compiler for that: as
long again as torch itself, for what is never compiled here.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch


class Eager(torch.optim.Optimizer):
    """Mixed into one of torch's optimizers, before it: the same methods, unwrapped."""

    add_param_group: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad: ClassVar[Any] = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update, as torch makes it; the closure's loss, if there is one.

        Args:
            closure: As in `torch.optim.Optimizer.step`.
        """
        with torch.no_grad():
            return inspect.unwrap(super().step)(self, closure)


class Sgd(Eager, torch.optim.SGD):
    """Torch's stochastic gradient descent."""
