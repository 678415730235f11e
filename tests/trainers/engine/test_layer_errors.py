"""What binary inputs lose in each layer."""

import math

import pytest
import torch
from torch import Tensor, nn

from trainers import (
    binarize_activations,
    binarize_weights,
    build_model,
    layer_errors,
    set_binary,
    weight_layers,
)
from trainers.data.splits import Split
from trainers.errors import SpecError


class Passed(nn.Module):
    """Two linear layers, of which the first changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2)
        with torch.no_grad():
            self.first.weight.copy_(torch.eye(2))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(self.first(x))
        return result


def test_the_measures_are_those_of_their_definitions() -> None:
    model = Passed()
    binarize_activations(model, ["second"], "sign")
    one = torch.tensor([[0.5, -2.0], [1.0, 0.0]])
    two = torch.tensor([[3.0, 3.0]])
    found = layer_errors(model, [one, two])
    assert list(found) == ["second"]
    # Both batches count the same. A zero has sign 0, so it loses nothing.
    squared = [(0.25 + 1 + 0 + 0) / 4, 4.0]
    powers = [(0.25 + 4 + 1 + 0) / 4, 9.0]
    distances = [(0.75 + 0 + 0 + 1) / 4, 0.0]
    normalized = [part / power for part, power in zip(squared, powers, strict=True)]
    expected = (
        math.sqrt(sum(squared) / 2),
        math.sqrt(sum(normalized) / 2),
        sum(distances) / 2,
    )
    assert found["second"] == pytest.approx(expected)
    assert found["second"].one_minus_w2 == pytest.approx(expected[2])


def _network() -> nn.Module:
    torch.manual_seed(3)
    model = build_model("conv", depth=4, norm=True)
    layers = weight_layers(model)
    binarize_activations(model, layers[1:], "sign")
    binarize_weights(model, layers[1:4], "dab")
    set_binary(model, layers[1:4])
    return model


def test_each_binary_input_is_measured_in_evaluation_mode_and_all_is_as_before() -> None:
    model = _network().train()
    model.get_submodule("conv2").eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [dict(module._forward_pre_hooks) for module in model.modules()]
    images = torch.randn(4, 3, 32, 32)
    first = layer_errors(model, [images[:2], images[2:]])
    assert list(first) == list(weight_layers(model)[1:])
    assert all(math.isfinite(value) for errors in first.values() for value in errors)
    assert [module.training for module in model.modules()] == modes
    assert [dict(module._forward_pre_hooks) for module in model.modules()] == hooks
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    # Nothing of an earlier measurement stays.
    assert layer_errors(model, [images[:2], images[2:]]) == first


def test_a_batch_may_have_labels() -> None:
    model = _network()
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([1, 0])
    expected = layer_errors(model, iter([images]))
    for batch in ((images, labels), [images, labels], Split(images=images, labels=labels)):
        assert layer_errors(model, [batch]) == expected


def test_without_binary_inputs_there_is_nothing_and_without_batches_a_fault() -> None:
    assert layer_errors(Passed(), [torch.ones(1, 2)]) == {}
    model = _network().train()
    with pytest.raises(SpecError, match="there is no batch to measure on"):
        layer_errors(model, [])
    assert model.training


def test_a_network_that_fails_is_left_as_it_was_too() -> None:
    model = _network().train()
    with pytest.raises(RuntimeError, match="channels"):
        layer_errors(model, [torch.ones(2, 5, 32, 32)])
    assert model.training
    assert all(len(module._forward_pre_hooks) <= 1 for module in model.modules())
