"""Counts the floating point operations of a network's layers from shapes only."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from trainers.binding import Component
from trainers.data import SOURCES
from trainers.spec.probe import shared_model


@lru_cache(maxsize=256)
def forward_flops(model: Component, data: Component) -> float:
    """Floating point operations of one image's forward pass, in Linear and Conv2d layers."""
    return sum(layer_flops(model, data).values())


@lru_cache(maxsize=256)
def layer_flops(model: Component, data: Component) -> Mapping[str, float]:
    """The same layer by layer, in registration order; two for each multiply-accumulate."""
    # The meta device has shapes but no data, so even a large network costs nothing to count.
    network = shared_model(model)
    layers = _layers(network)
    counted = dict.fromkeys(layers, 0)

    def counter(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            assert isinstance(layer.weight, Tensor)
            counted[name] += 2 * output.numel() * layer.weight[0].numel()

        return count

    hooks = [layer.register_forward_hook(counter(name)) for name, layer in layers.items()]
    shape = SOURCES[data.name].facts(data.options).shape
    try:
        with torch.no_grad(), _Shapes():
            network(torch.zeros(2, *shape, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: num / 2 for name, num in counted.items()}


@lru_cache(maxsize=256)
def layer_weights(model: Component) -> tuple[int, ...]:
    """Number of weights of each Linear and Conv2d layer, in registration order."""
    return tuple(layer.weight.numel() for layer in _layers(shared_model(model)).values())


def _layers(network: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }


def _as_given(given: Tensor, *args: object, **kwargs: object) -> Tensor:
    return given


def _larger(one: Tensor, other: Tensor) -> Tensor:
    return one if one.numel() >= other.numel() else other


def _product(given: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return given.new_empty(*given.shape[:-1], len(weight))


def _joined(parts: Sequence[Tensor], dim: int) -> Tensor:
    shape = list(parts[0].shape)
    shape[dim] = sum(part.shape[dim] for part in parts)
    return parts[0].new_empty(shape)


_STAND_INS: Mapping[object, Callable[..., Tensor]] = {
    nn.functional.linear: _product,
    nn.functional.batch_norm: _as_given,
    nn.functional.prelu: _as_given,
    nn.functional.dropout: _as_given,
    nn.functional.dropout2d: _as_given,
    Tensor.relu: _as_given,
    Tensor.relu_: _as_given,
    Tensor.sigmoid: _as_given,
    torch.cat: _joined,
    Tensor.add: _larger,
    Tensor.mul: _larger,
    Tensor.mean: Tensor.sum,
}


class _Shapes(TorchFunctionMode):
    """Replaces operations by stand-ins that compute only shapes.

    For these, torch would load its compiler on the meta device, which takes longer than the rest.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        shaped: Callable[..., Any] = _STAND_INS.get(func, func)
        return shaped(*args, **(kwargs or {}))
