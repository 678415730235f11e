"""Conv-2, 4, 6 and 8."""

from typing import Any

import pytest
import torch

from trainers.binarize.attach import activated_modules, latent_weights, weight_layers
from trainers.build import build_model
from trainers.errors import SpecError


def test_layers_are_numbered_through_in_forward_order() -> None:
    with torch.device("meta"):
        model = build_model("conv", depth=4, norm=True)
    layers = ("conv1", "conv2", "conv3", "conv4", "fc5", "fc6", "fc7")
    assert weight_layers(model) == layers
    assert activated_modules(model) == layers[1:]
    norms = [name for name, _ in model.named_children() if name.startswith("bn")]
    # The last layer is bare.
    assert norms == ["bn1", "bn2", "bn3", "bn4", "bn5", "bn6"]


@pytest.mark.parametrize(("depth", "side"), [(2, 14), (4, 7), (6, 3), (8, 1)])
def test_images_of_mnist_fit(depth: int, side: int) -> None:
    model = build_model("conv", depth=depth, width=0.125, in_channels=1, image_size=28)
    first_linear = latent_weights(model)[f"fc{depth + 1}"]
    channels = (64, 128, 256, 512)[depth // 2 - 1] // 8
    assert first_linear.shape == (32, channels * side**2)
    assert model(torch.randn(3, 1, 28, 28)).shape == (3, 10)


def test_a_batch_of_one_keeps_its_axis() -> None:
    assert build_model("conv", depth=2, width=0.125)(torch.randn(1, 3, 32, 32)).shape == (1, 10)


def test_widths_are_rounded_down() -> None:
    with torch.device("meta"):
        weights = latent_weights(build_model("conv", depth=2, width=0.99))
    assert weights["conv1"].shape == (63, 3, 3, 3)
    assert weights["fc4"].shape == (253, 253)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 3}, "depth: must be 2, 4, 6 or 8, got 3"),
        ({"depth": 2, "width": 0.0}, "width: leaves no channel"),
        ({"depth": 8, "image_size": 15}, "image_size: must be 16 or more for 8 convolutions"),
        ({"depth": 2, "in_channels": 0}, "in_channels: must be 1 or more"),
        ({"depth": 2, "affine": True}, "affine: is for normalisations"),
    ],
)
def test_networks_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        build_model("conv", **options)
