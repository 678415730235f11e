"""What makes these networks the published ones, beside their numbers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainers import build_model, weight_layers
from trainers.errors import SpecError
from trainers.models.init import initialise
from trainers.models.wrn import Block


def test_layers_are_named_in_forward_order() -> None:
    with torch.device("meta"):
        layers = weight_layers(build_model("wrn", depth=14, width=0.5))
    inner = [
        f"group{group}.block{block}.conv{conv}"
        for group in range(3)
        for block in range(2)
        for conv in range(2)
    ]
    assert layers == ("conv0", *inner, "conv_last")


def test_only_the_last_normalisation_has_a_weight_and_a_bias() -> None:
    model = build_model("wrn", depth=8, width=0.5)
    norms = {n: m for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert [name for name, norm in norms.items() if norm.affine] == ["bn_last"]
    assert all(layer.bias is None for layer in model.modules() if isinstance(layer, nn.Conv2d))


def test_where_channels_grow_the_raw_input_is_pooled_and_zeros_are_put_behind() -> None:
    block = Block(4, 8).eval()
    with torch.no_grad():
        block.conv1.weight.zero_()
    x = torch.randn(2, 4, 6, 6) - 3
    out = block(x)
    # Zeros around the image count, so the mean is always of nine.
    expected = functional.conv2d(x, torch.full((4, 1, 3, 3), 1 / 9), stride=2, padding=1, groups=4)
    torch.testing.assert_close(out[:, :4], expected)
    assert (out[:, 4:] == 0).all()


def test_where_channels_stay_the_raw_input_is_added() -> None:
    block = Block(4, 4).eval()
    with torch.no_grad():
        block.conv1.weight.zero_()
    x = torch.randn(2, 4, 5, 5) - 3
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("own", [True, False])
def test_first_weights_have_the_variance_of_two_over_the_fan_out(own: bool) -> None:
    model = build_model("wrn", depth=8, width=4)
    if own:
        initialise(model, torch.Generator().manual_seed(1))
    for name in weight_layers(model)[:-1]:
        weight = model.get_submodule(name).get_parameter("weight")
        assert weight.std().item() == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("depth", [2, 12, 21])
def test_a_depth_that_does_not_exist_is_refused(depth: int) -> None:
    with pytest.raises(SpecError, match=rf"depth: must be 8, 14, 20, .* got {depth}"):
        build_model("wrn", depth=depth)


@pytest.mark.parametrize("width", [0, 0.06, -1.0])
def test_a_width_without_a_channel_is_refused(width: float) -> None:
    with pytest.raises(SpecError, match=r"width: must be 0\.0625 or more"):
        build_model("wrn", width=width)
