"""Network in network computes what is published."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers import binarize_activations, binarize_weights, build_model, set_binary
from trainers.binarize.attach import baked
from trainers.models.nin import DropConv2d


@pytest.mark.parametrize("signs", [False, True])
@torch.no_grad()
def test_it_computes_what_is_published(
    signs: bool, stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred("nin", num_classes=6, signs=signs)
    x = images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    x = model.bn1(plain_conv(model.conv1, x)).relu()
    for number in range(2, 10):
        x = model.get_submodule(f"bn{number}")(x)
        if signs and number < 9:
            x = sign(x)
        x = plain_conv(model.get_submodule(f"conv{number}"), x).relu()
        if number == 3:
            x = functional.max_pool2d(x, 3, 2, padding=1)
        if number == 6:
            x = functional.avg_pool2d(x, 3, 2, padding=1)
    torch.testing.assert_close(model(images), functional.avg_pool2d(x, 8)[:, :, 0, 0])


def test_normalisations_are_the_published_ones() -> None:
    norms = [norm for norm in build_model("nin").modules() if isinstance(norm, nn.BatchNorm2d)]
    assert [norm.affine for norm in norms] == [False, *[True] * 7, False]
    assert {norm.eps for norm in norms} == {1e-4}


class Alone(nn.Module):
    """One convolution that drops."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = DropConv2d(1, 1, 1, dropout=0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Its output."""
        y: Tensor = self.conv(x)
        return y


def test_values_are_dropped_behind_the_sign() -> None:
    net = Alone()
    with torch.no_grad():
        net.conv.weight.fill_(1)
        assert net.conv.bias is not None
        net.conv.bias.zero_()
    binarize_activations(net, ["conv"], "sign")
    x = torch.randn(1, 1, 30, 30, generator=torch.Generator().manual_seed(1))
    assert set(net(x).unique().tolist()) == {-2.0, 0.0, 2.0}
    assert set(net.eval()(x).unique().tolist()) == {-1.0, 1.0}


def test_it_may_have_binary_weights_and_be_baked() -> None:
    net = Alone()
    binarize_weights(net, ["conv"], "sign")
    set_binary(net, ["conv"])
    plain = baked(net).eval()
    x = torch.randn(1, 1, 4, 4)
    assert torch.equal(plain(x), net.eval()(x))
