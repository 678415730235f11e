"""Networks to export: with statistics of their own, and binary weights of every kind."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers import binarize_weights, build_model, set_binary, weight_layers

IMAGES = {
    "resnet21": (3, 64, 64),
    "mlp": (1, 7, 5),
    "alexnet": (3, 224, 224),
    "sketchanet": (1, 225, 225),
    "googlenet": (1, 64, 64),
    "mobilenet": (1, 64, 64),
    "resnet18_sketch": (1, 64, 64),
    "squeezenet": (1, 64, 64),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "conv": {"depth": 2},
    "mlp": {"widths": [35, 130, 13, 10]},
    "resnet_cifar": {"depth": 20},
    "resnet_imagenet": {"depth": 18},
}


@pytest.fixture
def images() -> Callable[..., Tensor]:
    """Images that a network takes."""

    def make(name: str, num: int = 2, seed: int = 5) -> Tensor:
        source = torch.Generator().manual_seed(seed)
        return torch.randn(num, *IMAGES.get(name, (3, 32, 32)), generator=source)

    return make


@pytest.fixture
def trained(images: Callable[..., Tensor]) -> Callable[..., nn.Module]:
    """A network that has seen a batch, its layers (all but those named) binary."""

    def make(
        name: str, binarizer: str = "sign", *, apart: Sequence[str] = (), **options: Any
    ) -> nn.Module:
        model = build_model(name, **(options or OPTIONS.get(name, {})))
        layers = [layer for layer in weight_layers(model) if layer not in apart]
        binarize_weights(model, layers, binarizer)
        set_binary(model, layers)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = 0.9
        model.train()(images(name, 4, 6))
        return model.eval()

    return make


@pytest.fixture
def logits() -> Callable[[nn.Module, Tensor], Tensor]:
    @torch.no_grad()
    def compute(model: nn.Module, images: Tensor) -> Tensor:
        result: Tensor = model(images)
        return result

    return compute
