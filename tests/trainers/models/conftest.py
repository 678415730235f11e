"""Networks whose normalisations do something."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers import activated_modules, binarize_activations, build_model


@pytest.fixture
def stirred() -> Callable[..., nn.Module]:
    """A network with statistics, weights and biases of its own; signs where it is made for them.

    In evaluation mode, of double precision, so that an order of sums does not matter.
    """

    def make(name: str, *, signs: bool = False, **options: Any) -> nn.Module:
        model = build_model(name, **options).double().eval()
        source = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    assert module.running_mean is not None
                    assert module.running_var is not None
                    module.running_mean.normal_(generator=source)
                    module.running_var.uniform_(0.5, 2, generator=source)
                    if module.affine:
                        module.weight.normal_(generator=source)
                        module.bias.normal_(generator=source)
                elif isinstance(getattr(module, "bias", None), nn.Parameter):
                    module.bias.normal_(0, 0.3, generator=source)
        if signs:
            binarize_activations(model, activated_modules(model), "sign")
        return model

    return make


@pytest.fixture
def sign() -> Callable[[Tensor], Tensor]:
    """The sign, +1 for 0, written apart from the package's."""
    return lambda x: (2.0 * (x >= 0) - 1).to(x.dtype)


@pytest.fixture
def plain_conv() -> Callable[[nn.Module, Tensor], Tensor]:
    """What a convolution makes of an input, without its hooks."""

    def apply(conv: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(conv, nn.Conv2d)
        return nn.functional.conv2d(
            x, conv.weight, conv.bias, conv.stride, conv.padding, groups=conv.groups
        )

    return apply
