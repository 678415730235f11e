"""Which parameters learn in which epoch."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from trainers.engine.freezing import Freezing, freeze_normalisations, normalisations


@pytest.fixture
def model() -> nn.Sequential:
    """Two normalisations with parameters, of two kinds, and one without."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(2, 3, 1),
            norm=nn.BatchNorm2d(3),
            plain=nn.BatchNorm2d(3, affine=False),
            flat=nn.Flatten(),
            fc=nn.Linear(12, 4),
            last=nn.BatchNorm1d(4),
        )
    )


def _asking(model: nn.Module) -> set[str]:
    return {name for name, item in model.named_parameters() if item.requires_grad}


LAYERS = {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
WEIGHTS, BIASES = {"norm.weight", "last.weight"}, {"norm.bias", "last.bias"}


def test_normalisations_come_in_the_order_they_were_registered(model: nn.Sequential) -> None:
    assert normalisations(model) == [model.norm, model.plain, model.last]
    assert normalisations(nn.Linear(2, 2)) == []


@pytest.mark.parametrize(
    ("learn", "asking"), [("all", WEIGHTS | BIASES), ("bias", BIASES), ("none", set())]
)
def test_normalisations_ask_for_the_gradients_of_what_they_learn(
    learn: Any, asking: set[str], model: nn.Sequential
) -> None:
    freeze_normalisations(model, learn)
    assert _asking(model) == LAYERS | asking
    freeze_normalisations(model, "all")
    assert _asking(model) == LAYERS | WEIGHTS | BIASES


def test_everything_else_learns_first_and_then_normalisations_alone(model: nn.Sequential) -> None:
    freezing = Freezing.of(model, tuned_from=2)
    learning = []
    for epoch in range(4):
        freezing.apply(epoch)
        learning.append(_asking(model))
    assert learning == [LAYERS, LAYERS, WEIGHTS | BIASES, WEIGHTS | BIASES]
    # A trial that goes on from an earlier epoch learns what it did there.
    freezing.apply(1)
    assert _asking(model) == LAYERS


def test_what_asked_for_no_gradient_never_does(model: nn.Sequential) -> None:
    freeze_normalisations(model, "bias")
    model.conv.weight.requires_grad_(False)
    freezing = Freezing.of(model, tuned_from=1)
    freezing.apply(0)
    assert _asking(model) == LAYERS - {"conv.weight"}
    freezing.apply(1)
    assert _asking(model) == BIASES


def test_momentum_moves_nothing_that_does_not_learn(model: nn.Sequential) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    freezing = Freezing.of(model, tuned_from=1)
    images = torch.randn(6, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    moved = []
    for epoch in range(2):
        freezing.apply(epoch)
        before = {name: item.detach().clone() for name, item in model.named_parameters()}
        for _ in range(2):
            # Gradients of zero would let momentum go on.
            optimizer.zero_grad(set_to_none=False)
            model(images).pow(3).sum().backward()
            optimizer.step()
        now = dict(model.named_parameters())
        moved.append({name for name in now if not torch.equal(now[name], before[name])})
    assert moved == [LAYERS, WEIGHTS | BIASES]
