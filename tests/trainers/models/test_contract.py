"""What every network keeps to, whatever its family."""

import pytest
import torch
from torch import nn

from trainers import build_model
from trainers.binarize.attach import latent_weights, weight_layers
from trainers.errors import SpecError
from trainers.models import MODELS

IMAGES = {
    "resnet21": (3, 64, 64),
    "resnet_imagenet": (3, 64, 64),
    "mlp": (1, 4, 4),
    "alexnet": (3, 224, 224),
    "sketchanet": (1, 225, 225),
    "googlenet": (1, 64, 64),
    "mobilenet": (1, 64, 64),
    "resnet18_sketch": (1, 64, 64),
    "squeezenet": (1, 64, 64),
}
OPTIONS = {
    "mlp": {"widths": [16, 6, 5]},
    "conv": {"depth": 4},
    "resnet_cifar": {"depth": 20},
    "resnet_imagenet": {"depth": 18},
}
CLASSES = {
    "resnet21": 1000,
    "resnet_imagenet": 1000,
    "mlp": 5,
    "alexnet": 1000,
    "sketchanet": 250,
    "googlenet": 250,
    "mobilenet": 250,
    "resnet18_sketch": 250,
    "squeezenet": 250,
}
WITH_CLASSES = sorted(set(MODELS) - {"mlp"})


@pytest.mark.parametrize("name", sorted(MODELS))
def test_two_images_train_every_parameter(name: str) -> None:
    model = build_model(name, **OPTIONS.get(name, {})).train()
    source = torch.Generator().manual_seed(0)
    logits = model(torch.randn(2, *IMAGES.get(name, (3, 32, 32)), generator=source))
    assert logits.shape == (2, CLASSES.get(name, 10))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    for layer, weight in latent_weights(model).items():
        assert weight.grad is not None, layer
        assert weight.grad.isfinite().all(), layer
        assert weight.grad.abs().max() > 0, layer
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_classes_are_an_option_of_the_last_layer(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, **OPTIONS.get(name, {}), num_classes=7)
    last = model.get_submodule(weight_layers(model)[-1])
    assert isinstance(last, nn.Linear | nn.Conv2d)
    assert last.weight.shape[0] == 7


@pytest.mark.parametrize("num_classes", [0, -1])
@pytest.mark.parametrize("name", WITH_CLASSES)
def test_a_network_without_classes_is_refused(name: str, num_classes: int) -> None:
    with pytest.raises(SpecError, match=rf"num_classes.* must be 1 or more, got {num_classes}"):
        build_model(name, **OPTIONS.get(name, {}), num_classes=num_classes)
