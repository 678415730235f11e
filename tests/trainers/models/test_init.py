"""First weights from a generator of their own."""

import copy

import pytest
import torch
from torch import nn

from trainers.models.init import initialise
from trainers.models.mlp import Mlp


def _convolutional() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1, bias=False), nn.Flatten()
    )


@pytest.mark.parametrize("make", [lambda: Mlp(widths=[30, 20, 10]), _convolutional])
def test_weights_are_drawn_as_torch_draws_its_own(make) -> None:  # type: ignore[no-untyped-def]
    # Torch's own constructor draws from the global generator, in the same order of layers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = make()
        torch.manual_seed(99)
        model = make()
    initialise(model, torch.Generator().manual_seed(5))
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-6, atol=0)


def test_weights_and_biases_fill_the_range_of_one_over_the_root_of_fan_in() -> None:
    model = nn.Sequential(nn.Conv2d(4, 50, 5))
    initialise(model, torch.Generator().manual_seed(0))
    layer = model[0]
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    for tensor, least in ((layer.weight, 0.0999), (layer.bias, 0.09)):
        assert tensor.abs().max() <= 0.1
        assert tensor.max() > least
        assert tensor.min() < -least
    assert layer.weight.var().item() == pytest.approx(0.1**2 / 3, rel=0.05)


def test_equal_generators_give_equal_models_whatever_they_held_before() -> None:
    first, second = Mlp(widths=[6, 5, 4]), Mlp(widths=[6, 5, 4])
    for model in (first, second):
        initialise(model, torch.Generator().manual_seed(1))
    state = copy.deepcopy(first.state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in second.state_dict().items())
    initialise(first, torch.Generator().manual_seed(2))
    assert not torch.equal(state["fc1.weight"], first.state_dict()["fc1.weight"])


def test_normalisation_starts_anew() -> None:
    model = Mlp(widths=[6, 5])
    model(torch.randn(8, 6) * 5)
    with torch.no_grad():
        model.get_parameter("bn1.weight").fill_(3)
        model.get_parameter("bn1.bias").fill_(3)
    initialise(model, torch.Generator().manual_seed(1))
    norm = model.get_submodule("bn1")
    assert norm.weight.tolist() == [1.0] * 5
    assert norm.bias.tolist() == norm.running_mean.tolist() == [0.0] * 5
    assert norm.running_var.tolist() == [1.0] * 5
    assert norm.num_batches_tracked.item() == 0


def test_the_global_generator_is_not_drawn_from() -> None:
    model = Mlp(widths=[6, 5])
    before = torch.get_rng_state()
    initialise(model, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
