"""VGG networks for 32 × 32 images."""

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import latent_weights, weight_layers
from trainers.build import build_model
from trainers.models import MODELS
from trainers.models.vgg import Vgg, vgg5, vgg9

LAYERS: dict[str, dict[str, tuple[int, ...]]] = {
    "vgg5": {
        "conv1": (64, 3, 3, 3),
        "conv2": (64, 64, 3, 3),
        "fc3": (256, 16384),
        "fc4": (256, 256),
        "fc5": (10, 256),
    },
    "vgg9": {
        "conv1": (64, 3, 3, 3),
        "conv2": (64, 64, 3, 3),
        "conv3": (128, 64, 3, 3),
        "conv4": (128, 128, 3, 3),
        "conv5": (256, 128, 3, 3),
        "conv6": (256, 256, 3, 3),
        "fc7": (256, 4096),
        "fc8": (256, 256),
        "fc9": (10, 256),
    },
}


def _small() -> Vgg:
    """Three convolutions in two groups, few channels."""
    return Vgg(channels=[[4, 6], [5]], num_classes=3)


def _normalised(x: Tensor, norm: nn.Module) -> Tensor:
    """What batch normalisation gives in training; over all but the second dimension."""
    dims = [dim for dim in range(x.dim()) if dim != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    mean, variance = x.mean(dims, keepdim=True), x.var(dims, unbiased=False, keepdim=True)
    scaled = (x - mean) / (variance + 1e-5).sqrt()
    return scaled * norm.weight.reshape(shape) + norm.bias.reshape(shape)


def _convolved(x: Tensor, layer: nn.Module) -> Tensor:
    """3 × 3 convolution that keeps the image's size, as a product with shifted images."""
    size = x.shape[-1]
    padded = torch.zeros(*x.shape[:2], size + 2, size + 2, dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    total = layer.bias.reshape(1, -1, 1, 1)
    for row in range(3):
        for column in range(3):
            shifted = padded[:, :, row : row + size, column : column + size]
            total = total + torch.einsum("oi,bihw->bohw", layer.weight[:, :, row, column], shifted)
    return total


@pytest.mark.parametrize("name", LAYERS)
def test_layer_k_of_the_paper_is_element_k_minus_one(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name)
    weights = {layer: tuple(weight.shape) for layer, weight in latent_weights(model).items()}
    assert list(weights.items()) == list(LAYERS[name].items())
    assert weight_layers(model) == tuple(LAYERS[name])


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_is_registered_before_its_normalisation(name: str) -> None:
    with torch.device("meta"):
        children = [child for child, _ in build_model(name).named_children()]
    assert children[::2] == list(LAYERS[name])
    assert children[1::2] == [f"bn{number}" for number in range(1, len(LAYERS[name]) + 1)]


@pytest.mark.parametrize(
    ("name", "weights", "parameters"),
    [("vgg5", 4_300_992, 4_302_942), ("vgg9", 2_261_184, 2_265_438)],
)
def test_published_networks_have_the_published_number_of_parameters(
    name: str, weights: int, parameters: int
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    assert sum(weight.numel() for weight in latent_weights(model).values()) == weights
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_logits_are_those_of_groups_pooled_after_relu_and_linear_layers() -> None:
    model = _small().double()
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    x = images
    for number in (1, 2, 3):
        x = _convolved(x, model.get_submodule(f"conv{number}"))
        x = _normalised(x, model.get_submodule(f"bn{number}")).clamp_min(0)
        if number in (2, 3):
            batch, width, size, _ = x.shape
            x = x.reshape(batch, width, size // 2, 2, size // 2, 2).amax((3, 5))
    assert x.shape == (4, 5, 8, 8)
    x = x.reshape(4, 320)
    for number in (4, 5, 6):
        layer = model.get_submodule(f"fc{number}")
        x = _normalised(x @ layer.weight.T + layer.bias, model.get_submodule(f"bn{number}"))
        x = x.clamp_min(0) if number < 6 else x
    torch.testing.assert_close(model(images), x)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        _small()(torch.zeros(2, 3, 28, 28))


def test_the_table_has_the_networks() -> None:
    assert (MODELS["vgg5"], MODELS["vgg9"]) == (vgg5, vgg9)
