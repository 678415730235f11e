"""DenseNet computes what is published."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainers import SpecError, build_model


@pytest.mark.parametrize("signs", [False, True])
@torch.no_grad()
def test_it_computes_what_is_published(
    signs: bool, stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred("densenet", num_classes=6, signs=signs)

    def active(norm: str, conv: str, x: Any) -> Any:
        x = model.get_submodule(norm)(x)
        return plain_conv(model.get_submodule(conv), sign(x) if signs else x.relu())

    x = images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    x = plain_conv(model.conv1, x)
    for number in (1, 2, 3):
        for layer in range(4):
            name = f"block{number}.{layer}"
            new = active(f"{name}.bn1", f"{name}.conv1", x)
            x = torch.cat([x, active(f"{name}.bn2", f"{name}.conv2", new)], 1)
        if number < 3:
            name = f"trans{number}"
            x = functional.avg_pool2d(active(f"{name}.bn1", f"{name}.conv1", x), 2)
    x = functional.avg_pool2d(model.bn(x).relu(), 8).flatten(1)
    expected = functional.linear(x, model.fc.weight, model.fc.bias)
    torch.testing.assert_close(model(images), expected)


def test_values_are_dropped_behind_every_convolution_but_the_first() -> None:
    model = build_model("densenet", depth=10, dropout=0.5).train()
    shares: dict[str, float] = {}
    # A normalisation takes what a convolution gave; in a block, behind what was there before.
    for name, norm in model.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.register_forward_pre_hook(
                lambda module, given, name=name: shares.update(
                    {name: (given[0][:, -12:] == 0).double().mean().item()}
                )
            )
    model(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    # Average pooling of four values, each dropped or not, leaves few zeros.
    assert shares.pop("block1.0.bn1") == 0
    assert all(0 < share < 0.2 for name, share in shares.items() if name.endswith(".0.bn1"))
    rest = [share for name, share in shares.items() if not name.endswith(".0.bn1")]
    assert rest == pytest.approx([0.5] * len(rest), abs=0.1)


def test_a_depth_or_share_that_is_not_allowed_is_told() -> None:
    with pytest.raises(SpecError, match="depth: must be 10 or more, got 9"):
        build_model("densenet", depth=9)
    with pytest.raises(SpecError, match=r"dropout: must be 0 or more and below 1, got -0\.1"):
        build_model("densenet", dropout=-0.1)
