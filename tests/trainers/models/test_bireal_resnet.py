"""Bi-Real ResNets, with each published trick on and off."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers import activated_modules, binarize_activations, build_model, weight_layers
from trainers.errors import SpecError
from trainers.models.bireal_blocks import Unit

OFF = {"block": "bireal", "activation": "none", "double_skip": False, "downsample": "strided"}
SMALL = {"width_factor": 0.0625}


def _made(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_model("bireal_resnet", **(SMALL | options))


def _count(model: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in model.modules())


@pytest.mark.parametrize(
    ("depth", "convolutions", "shortcuts"), [(18, 16, 3), (34, 32, 3), (50, 48, 4)]
)
def test_the_convolutions_of_the_blocks_are_those_with_binary_inputs(
    depth: int, convolutions: int, shortcuts: int
) -> None:
    model = _made(depth=depth)
    places = activated_modules(model)
    assert len(places) == convolutions
    assert all(isinstance(model.get_submodule(name), nn.Conv2d) for name in places)
    single = _made(depth=depth, double_skip=False, block="bireal", downsample="v2")
    assert weight_layers(single) == weight_layers(model)
    others = [name for name in weight_layers(model) if name not in places]
    assert others[0] == "conv1"
    assert others[-1] == "fc"
    assert len(others) == shortcuts + 2
    assert all(".shortcut." in name for name in others[1:-1])


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize(
    "options",
    [
        {},
        OFF,
        {"downsample": "v2", "block": "bireal"},
        {"downsample": "v3", "attention": "se", "attention_reduction": 4},
        {"groups": 4, "double_skip": False},
    ],
)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 9, 15)])
def test_images_of_any_size_train_every_parameter(
    options: dict[str, Any], depth: int, shape: tuple[int, int, int]
) -> None:
    model = _made(depth=depth, in_channels=shape[0], num_classes=7, **options)
    binarize_activations(model, activated_modules(model), "sign")
    logits = model(torch.randn(4, *shape))
    assert logits.shape == (4, 7)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_head_for_large_images_leaves_a_quarter_of_each_side() -> None:
    model = _made(head="imagenet")
    sizes: list[torch.Size] = []
    model.get_submodule("layer1").register_forward_hook(
        lambda module, inputs, output: sizes.append(output.shape[2:])
    )
    model(torch.randn(2, 3, 64, 64))
    assert sizes == [(16, 16)]
    assert _made().get_submodule("conv1").kernel_size == (3, 3)


def test_an_activation_follows_each_addition_or_none() -> None:
    model = _made(prelu_init=0.5)
    slopes = [module for module in model.modules() if isinstance(module, nn.PReLU)]
    assert len(slopes) == 16
    assert {slope for module in slopes for slope in module.weight.tolist()} == {0.5}
    assert [len(module.weight) for module in slopes[::4]] == [4, 8, 16, 32]
    assert _count(_made(activation="none"), nn.PReLU) == 0
    assert _count(_made(double_skip=False), nn.PReLU) == 8
    # As published, bottlenecks without a convolution in their shortcut have none.
    assert _count(_made(depth=50), nn.PReLU) == 4
    assert _count(_made(depth=50, prelu_at="all"), nn.PReLU) == 16


def test_the_sign_sees_normalised_numbers_or_the_normalisation_sees_its_products() -> None:
    x = torch.randn(4, 6, 8, 8)
    tricks, bireal = Unit(6, 5), Unit(6, 5, order="bireal")
    for unit in (tricks, bireal):
        unit.conv.input_is_binary = True  # type: ignore[assignment]
        unit.conv.register_forward_pre_hook(lambda module, inputs: inputs[0].sign())
    before = torch.nn.functional.batch_norm(x, None, None, training=True)
    assert torch.equal(tricks(x), tricks.conv(before))
    after = torch.nn.functional.batch_norm(bireal.conv(x), None, None, training=True)
    torch.testing.assert_close(bireal(x), after)


def test_attention_weighs_each_channel_by_the_real_input() -> None:
    torch.manual_seed(0)
    unit = Unit(6, 5, reduction=2)
    x = torch.randn(4, 6, 8, 8)
    real = torch.nn.functional.batch_norm(x, None, None, training=True)
    assert unit.attention is not None
    hidden = unit.attention.fc1(real.mean((2, 3))).relu()
    weights = unit.attention.fc2(hidden).sigmoid()
    assert hidden.shape == (4, 3)
    torch.testing.assert_close(unit(x), unit.conv(real.relu()) * weights[:, :, None, None])


def test_wider_networks_have_wider_layers_and_groups_fewer_weights() -> None:
    def weights(**options: Any) -> int:
        model = _made(**options)
        return sum(model.get_submodule(name).weight.numel() for name in activated_modules(model))

    assert weights(width_factor=0.125) == 4 * weights()
    assert weights(width_factor=0.125, groups=4) == weights()


def test_a_network_without_any_trick_is_a_usual_residual_network() -> None:
    model = build_model("bireal_resnet", **OFF)
    usual = build_model("resnet_cifar", depth=18, affine=True)
    biases = 10  # That of the last layer, which the other network has not.

    def size(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert size(model) == size(usual) + biases


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 20}, "depth: must be one of 18, 34, 50, got 20"),
        ({"in_channels": 0}, "in_channels: must be 1 or more, got 0"),
        ({"groups": 3}, "groups: must divide the channels of all blocks, but 4 / 3"),
        ({"width_factor": 0.001}, "width_factor: leaves no channel"),
        ({"width_factor": -1.0}, "width_factor: leaves no channel"),
        (
            {"attention_reduction": 8},
            "attention_reduction: there is no attention; set attention: se",
        ),
        ({"attention": "se", "attention_reduction": 0}, "attention_reduction: must be 1 or more"),
        ({"prelu_at": "all"}, "prelu_at: is for bottlenecks: depth 18 has none"),
        ({"activation": "none", "prelu_init": 0.1}, "prelu_init: there is no PReLU"),
        ({"downsample": "v4"}, "downsample: unknown value"),
    ],
)
def test_options_without_an_effect_or_out_of_range_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        _made(**options)


def test_signs_of_inputs_are_all_that_a_binary_convolution_sees() -> None:
    model = _made(block="bireal")
    binarize_activations(model, activated_modules(model), "sign")
    seen: set[float] = set()

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.update(inputs[0].unique().tolist())

    for name in activated_modules(model):
        model.get_submodule(name).register_forward_hook(look)
    model(torch.randn(2, 3, 32, 32))
    assert seen == {-1.0, 1.0}
