"""Parts of a loss that look into the network."""

import pytest
import torch
from torch import nn

from trainers.build import build_model
from trainers.engine.added import AddedLoss, Features, state_of, watching
from trainers.errors import SpecError


class _Named(AddedLoss):
    def __init__(self, name: str) -> None:
        self.name = name

    def state(self) -> dict[str, torch.Tensor]:
        return {self.name: torch.zeros(1)}


def test_the_state_of_all_parts_is_kept_together() -> None:
    assert sorted(state_of([_Named("a"), AddedLoss(), _Named("b")])) == ["a", "b"]


def test_features_are_those_of_a_module_or_what_the_last_layer_takes_in() -> None:
    model = build_model("mlp", widths=[4, 3, 2]).eval()
    images = torch.arange(8.0).reshape(2, 1, 2, 2)
    last, named = Features(model, None), Features(model, "bn1")
    with last.watching(), named.watching():
        model(images)
    assert torch.equal(last.latest, named.latest.relu())
    seen = last.latest
    model(images + 1)
    # Nobody watches any longer.
    assert last.latest is seen


def test_what_overwrites_features_later_leaves_them_alone() -> None:
    first = nn.Linear(2, 2)
    nn.init.eye_(first.weight)
    nn.init.zeros_(first.bias)
    features = Features(model := nn.Sequential(first, nn.ReLU(inplace=True)), "0")
    images = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    with features.watching():
        model(images)
    assert torch.equal(features.latest, first(images))
    assert (features.latest < 0).any()


def test_a_module_without_a_part_in_the_pass_is_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    features = Features(model, None)
    with watching(model, []), pytest.raises(SpecError, match="module '0' gives no features"):
        _ = features.latest
