"""ResNet-18 for sketches computes what is published, with either wiring."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers import weight_layers

FORMS = ["float", "fbin", "hybrid", "v2", "v3"]


def _published(model: Any, x: Tensor, *, misfed: bool, sign: Any, plain_conv: Any) -> Tensor:
    """In the published order: ReLU ends a block."""
    binary = set(model.activated()) if model.form.norm_before else set()

    def layer(block: str, conv: str, norm: str, x: Tensor) -> Tensor:
        conv, norm = f"{block}.{conv}", f"{block}.{norm}"
        if conv in binary:
            return plain_conv(model.get_submodule(conv), sign(model.get_submodule(norm)(x)))
        result: Tensor = model.get_submodule(norm)(plain_conv(model.get_submodule(conv), x))
        return result

    x = functional.max_pool2d(model.bn1(plain_conv(model.conv1, x)).relu(), 3, 2, padding=1)
    stem = x
    for stage in range(1, 5):
        for number in (0, 1):
            block = f"layer{stage}.{number}"
            given = stem if misfed and block == "layer1.1" else x
            out = layer(block, "conv1", "bn1", given).relu()
            out = layer(block, "conv2", "bn2", out)
            if stage > 1 and number == 0:
                x = layer(block, "downsample.0", "downsample.1", x)
            x = (out + x).relu()
    x = functional.avg_pool2d(x, x.shape[-1])
    return plain_conv(model.fc, x)[:, :, 0, 0]


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_it_computes_what_is_published(
    form: str, compat: bool, stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred("resnet18_sketch", form=form, compat=compat, signs=form != "float")
    images = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    tools = {"sign": sign, "plain_conv": plain_conv}
    torch.testing.assert_close(model(images), _published(model, images, misfed=compat, **tools))
    other = _published(model, images, misfed=not compat, **tools)
    assert not torch.allclose(model(images), other)


def test_shortcuts_come_last_in_their_block(stirred: Any) -> None:
    layers = weight_layers(stirred("resnet18_sketch"))
    numbers = [number for number, name in enumerate(layers, 1) if "downsample" in name]
    assert numbers == [8, 13, 18]


def test_a_sign_in_a_plain_block_leaves_the_shortcut_real(stirred: Any) -> None:
    model = stirred("resnet18_sketch", signs=True)
    block = model.get_submodule("layer1.0")
    assert isinstance(block, nn.Module)
    with torch.no_grad():
        block.bn2.weight.zero_()
        block.bn2.bias.zero_()
        x = torch.randn(2, 64, 4, 4).double()
        assert torch.equal(block(x), x.relu())
