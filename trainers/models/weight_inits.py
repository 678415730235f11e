"""Initial weights by name: the initialisations of BIPROP's networks."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from trainers.errors import Fault, SpecError

Draw = Callable[[Tensor, Generator | None], Tensor]
"""Overwrites a weight, (out, in) or (out, in, kh, kw), on the CPU, and returns it."""

Mode = Literal["fan_in", "fan_out"]
Nonlinearity = Literal["relu", "linear", "sigmoid", "tanh"]


def default(keep: float | None) -> None:
    """Keeps the model's own initialisation."""


def kaiming_normal(
    keep: float | None,
    *,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "relu",
    scale_fan: bool = False,
) -> Draw:
    """Normal with standard deviation gain / sqrt(fan).

    Args:
        keep: Share of weights that is kept, in [0, 1]; None: all.
        mode: Which fan.
        nonlinearity: Determines the gain: sqrt(2) for relu.
        scale_fan: Multiply the fan by the share that is not kept, as the published code does.

    Raises:
        SpecError: If `scale_fan` is set and all weights are kept.

    Source: He et al. 2015, arXiv:1502.01852; `scale_fan`: Ramanujan et al. 2020,
        arXiv:1911.13299, sec. 4.
    """
    deviation = _deviation(keep, mode, nonlinearity, scale_fan)
    return lambda weight, generator: weight.normal_(0, deviation(weight), generator=generator)


def signed_constant(
    keep: float | None,
    *,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "relu",
    scale_fan: bool = False,
) -> Draw:
    """± gain / sqrt(fan), both signs equally likely; otherwise like `kaiming_normal`."""
    deviation = _deviation(keep, mode, nonlinearity, scale_fan)
    return lambda weight, generator: _signs(weight, generator).mul_(deviation(weight))


def unsigned_constant(
    keep: float | None,
    *,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "relu",
    scale_fan: bool = False,
) -> Draw:
    """+ gain / sqrt(fan); otherwise like `kaiming_normal`."""
    deviation = _deviation(keep, mode, nonlinearity, scale_fan)
    return lambda weight, generator: weight.fill_(deviation(weight))


def unsigned_bernoulli(
    keep: float | None,
    *,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "relu",
    scale_fan: bool = False,
) -> Draw:
    """0 or + gain / sqrt(fan), equally likely; otherwise like `kaiming_normal`.

    The published code calls it usc_bernoulli.
    """
    deviation = _deviation(keep, mode, nonlinearity, scale_fan)
    return lambda weight, generator: weight.bernoulli_(0.5, generator=generator).mul_(
        deviation(weight)
    )


def kaiming_uniform(
    keep: float | None, *, mode: Mode = "fan_in", nonlinearity: Nonlinearity = "relu"
) -> Draw:
    """Uniform in ± sqrt(3) gain / sqrt(fan). Source: He et al. 2015, arXiv:1502.01852."""
    deviation = _deviation(None, mode, nonlinearity, False)

    def draw(weight: Tensor, generator: Generator | None) -> Tensor:
        bound = math.sqrt(3) * deviation(weight)
        return weight.uniform_(-bound, bound, generator=generator)

    return draw


def xavier_normal(keep: float | None) -> Draw:
    """Normal with variance 2 / (fan-in + fan-out). Source: Glorot & Bengio 2010."""
    return lambda weight, generator: weight.normal_(0, _xavier(weight), generator=generator)


def xavier_constant(keep: float | None) -> Draw:
    """± sqrt(2 / (fan-in + fan-out)), both signs equally likely."""
    return lambda weight, generator: _signs(weight, generator).mul_(_xavier(weight))


def standard(keep: float | None) -> Draw:
    """Uniform in ± 1/sqrt(fan-in), torch's default."""

    def draw(weight: Tensor, generator: Generator | None) -> Tensor:
        bound = 1 / math.sqrt(_fan(weight, "fan_in"))
        return weight.uniform_(-bound, bound, generator=generator)

    return draw


def ones(keep: float | None) -> Draw:
    """All ones."""
    return lambda weight, generator: weight.fill_(1)


def bernoulli(keep: float | None) -> Draw:
    """0 or 1, equally likely."""
    return lambda weight, generator: weight.bernoulli_(0.5, generator=generator)


def binary(keep: float | None) -> Draw:
    """±1, equally likely: the sign of `kaiming_normal`. The published code cannot draw it."""
    return lambda weight, generator: _signs(weight, generator)


WEIGHT_INITS: Mapping[str, Callable[..., Draw | None]] = {
    "default": default,
    "kaiming_normal": kaiming_normal,
    "signed_constant": signed_constant,
    "unsigned_constant": unsigned_constant,
    "unsigned_bernoulli": unsigned_bernoulli,
    "kaiming_uniform": kaiming_uniform,
    "xavier_normal": xavier_normal,
    "xavier_constant": xavier_constant,
    "standard": standard,
    "ones": ones,
    "bernoulli": bernoulli,
    "binary": binary,
}


@torch.no_grad()
def draw_weights(model: nn.Module, draw: Draw, generator: Generator) -> None:
    """Redraws the weight of every Linear and Conv2d layer, in registration order.

    Biases and normalisations stay unchanged.

    Args:
        model: A model without binarizers, on the CPU.
        draw: An entry of `WEIGHT_INITS`, with its options.
        generator: A CPU generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            draw(module.weight, generator)


def _signs(weight: Tensor, generator: Generator | None) -> Tensor:
    return weight.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)


def _deviation(
    keep: float | None, mode: Mode, nonlinearity: Nonlinearity, scale_fan: bool
) -> Callable[[Tensor], float]:
    dropped = 1.0
    if scale_fan and keep is not None:
        dropped = 1 - keep
        if dropped <= 0:
            what = "scales the fan by the share that is not kept, but all weights are kept"
            raise SpecError(Fault("scale_fan", what, "keep less than 1, or set it to false"))
    gain = nn.init.calculate_gain(nonlinearity)
    return lambda weight: gain / math.sqrt(_fan(weight, mode) * dropped)


def _fan(weight: Tensor, mode: Mode) -> int:
    area = weight[0, 0].numel()
    return area * weight.shape[1 if mode == "fan_in" else 0]


def _xavier(weight: Tensor) -> float:
    return math.sqrt(2 / (_fan(weight, "fan_in") + _fan(weight, "fan_out")))
