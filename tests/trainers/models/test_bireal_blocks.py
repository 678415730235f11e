"""Shortcuts and blocks of Bi-Real networks."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.models.bireal_blocks import BasicBlock, BlockOptions, Bottleneck, shortcut


@pytest.mark.parametrize("variant", ["v1", "v2", "v3", "strided"])
def test_a_shortcut_halves_odd_sides_as_a_convolution_does(variant: str) -> None:
    made = shortcut(4, 8, stride=2, variant=variant)  # type: ignore[arg-type]
    assert made is not None
    for size in (1, 2, 7, 8):
        assert made(torch.randn(2, 4, size, size)).shape == (
            2,
            8,
            (size + 1) // 2,
            (size + 1) // 2,
        )


def test_a_mean_at_an_odd_edge_is_of_the_pixels_there_are() -> None:
    made = shortcut(1, 2, stride=2, variant="v2")
    assert made is not None
    assert made[0](torch.ones(1, 1, 3, 3)).unique().tolist() == [1.0]


def test_a_shortcut_that_changes_nothing_is_none() -> None:
    assert shortcut(4, 4, stride=1) is None
    widened = shortcut(4, 8, stride=1, eps=1e-4)
    assert widened is not None
    assert widened(torch.randn(2, 4, 5, 5)).shape == (2, 8, 5, 5)
    assert [type(part) for part in widened] == [nn.Conv2d, nn.BatchNorm2d, nn.AvgPool2d]
    assert widened[1].eps == 1e-4


def _block(kind: type[nn.Module], **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(4, 4 if kind is BasicBlock else 1, stride=1, options=BlockOptions(**options))


X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("prelu", [0.25, None])
def test_each_convolution_of_a_basic_block_has_a_skip_of_its_own(prelu: float | None) -> None:
    block = _block(BasicBlock, prelu=prelu)

    def activated(x: Tensor) -> Tensor:
        return x if prelu is None else torch.where(x > 0, x, prelu * x)

    first = activated(block.unit1(X) + X)
    torch.testing.assert_close(block(X), activated(block.unit2(first) + first))


def test_two_convolutions_may_share_one_skip() -> None:
    block = _block(BasicBlock, double_skip=False, prelu=None)
    torch.testing.assert_close(block(X), block.unit2(block.unit1(X)) + X)


@pytest.mark.parametrize("double_skip", [True, False])
def test_a_bottleneck_has_a_skip_inside_and_one_over_all(double_skip: bool) -> None:
    block = _block(Bottleneck, double_skip=double_skip)
    # As published: without a convolution in the shortcut there is no activation.
    assert block.shortcut is None
    assert block.activation is None
    first = block.unit1(X)
    second = block.unit2(first) + (first if double_skip else 0)
    torch.testing.assert_close(block(X), block.bn4(block.unit3(second)) + X)
    assert _block(Bottleneck, prelu_everywhere=True).activation is not None
    assert _block(Bottleneck, order="bireal").bn4 is None
