"""Multi-layer perceptrons."""

import pytest
import torch
from torch import nn

from trainers.binarize.attach import weight_layers
from trainers.build import build_model
from trainers.errors import SpecError, UnknownNameError
from trainers.models import MODELS
from trainers.models.mlp import Mlp


def test_layers_are_named_and_registered_in_forward_order() -> None:
    model = Mlp(widths=[4, 3, 2])
    assert [name for name, _ in model.named_children()] == ["fc1", "bn1", "fc2", "bn2"]
    assert weight_layers(model) == ("fc1", "fc2")


@pytest.mark.parametrize(
    ("widths", "weights", "parameters"),
    [
        # Weights, and all with biases and the two numbers a unit of each normalisation.
        ([784, 300, 100, 10], 266_200, 267_430),
        ([784, 784, 784, 10], 1_237_152, 1_237_152 + 1578 + 3156),
    ],
)
def test_published_networks_have_the_published_number_of_weights(
    widths: list[int], weights: int, parameters: int
) -> None:
    with torch.device("meta"):
        model = Mlp(widths=widths)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    assert sum(sizes[f"{name}.weight"] for name in weight_layers(model)) == weights
    assert sum(sizes.values()) == parameters


def test_logits_are_normalised_layers_with_relu_between_them() -> None:
    model = Mlp(widths=[4, 3, 5, 2]).double()
    images = torch.randn(6, 4, dtype=torch.float64)
    x = images
    for number in (1, 2, 3):
        layer, norm = model.get_submodule(f"fc{number}"), model.get_submodule(f"bn{number}")
        x = x @ layer.weight.T + layer.bias
        x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt() * norm.weight + norm.bias
        x = x.clamp_min(0) if number < 3 else x
    torch.testing.assert_close(model(images), x)


def test_the_last_layer_keeps_negative_logits() -> None:
    assert (Mlp(widths=[4, 3, 2])(torch.randn(8, 4)) < 0).any()


def test_images_of_any_shape_are_flattened() -> None:
    model = Mlp(widths=[12, 2]).eval()
    images = torch.randn(5, 3, 2, 2)
    assert torch.equal(model(images), model(images.reshape(5, 12)))


def test_normalisation_has_the_defaults_of_torch() -> None:
    norm = Mlp(widths=[4, 2]).get_submodule("bn1")
    assert isinstance(norm, nn.BatchNorm1d)
    assert (norm.momentum, norm.eps, norm.affine) == (0.1, 1e-5, True)


@pytest.mark.parametrize("widths", [[], [784], [784, 0, 10], [4, -1]])
def test_widths_that_make_no_network_are_refused(widths: list[int]) -> None:
    with pytest.raises(SpecError, match="widths must be two positive numbers or more"):
        Mlp(widths=widths)


def test_the_table_has_the_network() -> None:
    assert MODELS["mlp"] is Mlp


def test_an_unknown_network_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'mpl'.*known: .*mlp"):
        build_model("mpl", widths=[4, 2])
