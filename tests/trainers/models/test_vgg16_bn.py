"""VGG-16 computes what is published."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainers import SpecError, build_model

POOLED = (2, 4, 7, 10, 13)


@pytest.mark.parametrize("signs", [False, True])
@torch.no_grad()
def test_it_computes_what_is_published(
    signs: bool, stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred("vgg16_bn", num_classes=6, signs=signs)
    x = images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()
    for number in range(1, 14):
        x = plain_conv(model.get_submodule(f"conv{number}"), x)
        x = model.get_submodule(f"bn{number}")(x)
        # The sign stands behind the pooling; both are monotonic, so they commute.
        x = sign(x) if signs and number < 13 else x.relu()
        if number in POOLED:
            x = functional.max_pool2d(x, 2)
    expected = functional.linear(x.flatten(1), model.fc14.weight, model.fc14.bias)
    torch.testing.assert_close(model(images), expected)


def test_channels_are_dropped_inside_of_groups_and_values_before_the_last_layer() -> None:
    model = build_model("vgg16_bn", dropout=0.5, last_dropout=0.75).train()
    whole: dict[int, float] = {}
    for number in range(2, 14):
        model.get_submodule(f"conv{number}").register_forward_pre_hook(
            lambda module, given, number=number: whole.update(
                {number: (given[0].flatten(2) == 0).all(2).double().mean().item()}
            )
        )
    seen: list[float] = []
    assert isinstance(model.fc14, nn.Linear)
    model.fc14.register_forward_pre_hook(
        lambda module, given: seen.append((given[0] == 0).double().mean().item())
    )
    model(torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    dropped = [number for number, share in whole.items() if share > 0.3]
    # Before 10 and from 11 on, channels of few pixels may be 0 by ReLU alone.
    assert [number for number in dropped if number < 10] == [4, 6, 7, 9]
    assert {10, 12, 13} <= set(dropped)
    assert seen[0] > 0.75


def test_shares_that_are_not_allowed_are_told_at_once() -> None:
    with pytest.raises(SpecError, match="below 1, got 1") as raised:
        build_model("vgg16_bn", dropout=1.0, last_dropout=-0.5)
    assert [fault.path for fault in raised.value.faults] == ["dropout", "last_dropout"]
