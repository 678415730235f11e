"""Layers that look at more than one image of a batch, when each process has a part of it.

Batch normalisations take their statistics over the whole batch, and dropout draws for it. torch's
own `SyncBatchNorm` refuses the CPU.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from trainers.engine.freezing import normalisations

Norm = nn.modules.batchnorm._BatchNorm
DROPOUTS = (functional.dropout, functional.dropout2d)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A batch, and which part of it this process has.

    Args:
        num: Images of the whole batch.
        own: Which of them this process has.
        num_views: Views of each image that the network gets: all first ones, then all second ones.
    """

    num: int
    own: slice
    num_views: int

    def cut(self, values: Tensor) -> Tensor:
        """Returns the own part of values of the whole batch, (views * num, ...)."""
        views = values.reshape(self.num_views, self.num, *values.shape[1:])
        return views[:, self.own].flatten(0, 1)


@contextmanager
def over_the_whole_batch(
    model: nn.Module, *, world: int, rank: int, batch: Callable[[], Batch]
) -> Iterator[None]:
    """Within this context, the model's normalisations and dropout act on the whole batch.

    Args:
        model: The network; afterwards it is as it was.
        world: Number of processes.
        rank: Number of this process.
        batch: Returns the batch of the present step.
    """
    changed = normalisations(model)
    for module in changed:
        # An attribute of the module hides the method of its class; keys of the state stay.
        forward = _Synchronised(module, world=world, rank=rank, batch=batch)
        object.__setattr__(module, "forward", forward)
    try:
        with _WholeDropout(batch):
            yield
    finally:
        for module in changed:
            object.__delattr__(module, "forward")


class _Synchronised:
    """The forward pass of a batch normalisation over the batches of all processes.

    Forward:   y = (x - m) / sqrt(v + eps) * w + b;  m, v: mean and variance of a channel over the
               whole batch
    Backward:  that of torch, also through m and v, over all processes
    """

    def __init__(self, module: Norm, *, world: int, rank: int, batch: Callable[[], Batch]) -> None:
        self.module, self.world, self.rank, self.batch = module, world, rank, batch

    def __call__(self, x: Tensor) -> Tensor:
        module = self.module
        if not module.training:
            return type(module).forward(module, x)
        # Statistics of small numbers would be rounded too much.
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean, variance, num = self._statistics(values)
        _follow(module, mean.detach(), variance.detach(), num)
        shape = (1, -1, *[1] * (x.dim() - 2))
        scale = (variance + module.eps).rsqrt()
        if module.affine:
            scale = scale * module.weight
        result = (values - mean.view(shape)) * scale.view(shape)
        if module.affine:
            result = result + module.bias.view(shape)
        return result.to(x.dtype)

    def _statistics(self, values: Tensor) -> tuple[Tensor, Tensor, int]:
        """Returns mean and variance of each channel, (channels,), and of how many values."""
        batch, dims = self.batch(), [0, *range(2, values.dim())]
        each = math.prod(values.shape[2:])
        num, own = batch.num_views * batch.num * each, len(values) * each
        if num == 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size "
                f"{(batch.num, *values.shape[1:])}"
            )
        total = values.sum(dims)
        middle = total / max(own, 1)
        spread = (values - middle.view(1, -1, *[1] * (values.dim() - 2))).square().sum(dims)
        mine = torch.stack((total, spread, torch.full_like(total, own)))
        apart = [torch.zeros_like(mine)] * self.world
        apart[self.rank] = mine
        # Each place has one process that is not 0, so nothing is rounded.
        totals, spreads, nums = _Summed.apply(torch.stack(apart, 1))
        mean = totals.sum(0) / num
        between = nums * (totals / nums.clamp(min=1) - mean).square()
        return mean, (spreads + between).sum(0) / num, num


@torch.no_grad()
def _follow(module: Norm, mean: Tensor, variance: Tensor, num: int) -> None:
    """Lets the running statistics follow those of a batch, as torch does."""
    if not module.track_running_stats:
        return
    assert module.num_batches_tracked is not None
    module.num_batches_tracked.add_(1)
    momentum = module.momentum
    rate = 1 / int(module.num_batches_tracked) if momentum is None else momentum
    for running, new in (
        (module.running_mean, mean),
        (module.running_var, variance * (num / (num - 1))),
    ):
        assert running is not None
        running.mul_(1 - rate).add_(new.to(running.dtype), alpha=rate)


class _Summed(torch.autograd.Function):
    """The sum over all processes; each of them goes on with it, so gradients add up too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = values.contiguous().clone()
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        result = gradients[0].contiguous().clone()
        dist.all_reduce(result)
        return result


class _WholeDropout(TorchFunctionMode):
    """Draws for the whole batch, so that the masks are those of one process; on a CPU its bits."""

    def __init__(self, batch: Callable[[], Batch]) -> None:
        super().__init__()
        self.batch = batch

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function not in DROPOUTS or not kwargs.get("training", True):
            return function(*args, **kwargs)
        x, batch = args[0], self.batch()
        ones = x.new_ones(batch.num_views * batch.num, *x.shape[1:])
        return x * batch.cut(function(ones, **kwargs | {"inplace": False}))
