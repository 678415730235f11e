"""Shortcuts and residuals of Bi-Real networks."""

import pytest
import torch
from torch import nn

from trainers.models.bireal_blocks import Residual, shortcut


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


def test_the_input_is_added_then_activated() -> None:
    x = torch.tensor([[-2.0, 1.0]])
    assert Residual(nn.Identity())(x).tolist() == [[-4, 2]]
    assert Residual(nn.Identity(), activation=nn.ReLU())(x).tolist() == [[0, 2]]
