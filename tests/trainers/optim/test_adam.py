"""Our Adam against torch's own: the same weights to the bit, and states that can be exchanged."""

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from trainers.optim.adam import Adam

Make = Callable[..., torch.optim.Optimizer]
OPTIONS = {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.01, "fused": True}


def _parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(5)
    shapes = ((7, 33), (7,), (3, 2, 3, 3))
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in shapes]


def _train(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    steps: Sequence[int],
    without: dict[int, int] | None = None,
) -> None:
    for number in steps:
        generator = torch.Generator().manual_seed(number)
        for index, parameter in enumerate(parameters):
            gradient = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.grad = gradient.to(parameter.dtype)
            if (without or {}).get(number) == index:
                parameter.grad = None
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + number)
        optimizer.step()


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_weights_are_those_of_torchs_adam(dtype: torch.dtype) -> None:
    ours, theirs = _parameters(dtype), _parameters(dtype)
    _train(Adam(ours, **OPTIONS), ours, range(6))
    _train(torch.optim.Adam(theirs, **OPTIONS), theirs, range(6))
    assert _same(ours, theirs)


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_a_gradient_missing_now_and_then_is_left_to_torch(missing: int) -> None:
    ours, theirs = _parameters(), _parameters()
    _train(Adam(ours, **OPTIONS), ours, range(8), {missing: 1})
    _train(torch.optim.Adam(theirs, **OPTIONS), theirs, range(8), {missing: 1})
    assert _same(ours, theirs)


def test_a_frozen_parameter_stays() -> None:
    ours = _parameters()
    ours[1].requires_grad_(False)
    before = ours[1].clone()
    optimizer = Adam(ours, **OPTIONS)
    _train(optimizer, ours, range(4), dict.fromkeys(range(4), 1))
    assert torch.equal(ours[1], before)
    assert optimizer._gathered is not None


def test_two_groups_have_rates_of_their_own() -> None:
    made = []
    for kind in (Adam, torch.optim.Adam):
        parameters = _parameters()
        groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.5}]
        _train(kind(groups, **OPTIONS), parameters, range(4))
        made.append(parameters)
    assert _same(*made)


@pytest.mark.parametrize(("first", "second"), [(Adam, torch.optim.Adam), (torch.optim.Adam, Adam)])
def test_a_state_goes_on_in_the_other_kind(first: Make, second: Make) -> None:
    whole = _parameters()
    _train(torch.optim.Adam(whole, **OPTIONS), whole, range(7))
    parts = _parameters()
    optimizer = first(parts, **OPTIONS)
    _train(optimizer, parts, range(4))
    state = copy.deepcopy(optimizer.state_dict())
    optimizer = second(parts, **OPTIONS)
    optimizer.load_state_dict(state)
    _train(optimizer, parts, range(4, 7))
    assert _same(whole, parts)


def test_loading_into_a_used_optimizer_starts_from_what_was_loaded() -> None:
    parameters = _parameters()
    optimizer = Adam(parameters, **OPTIONS)
    _train(optimizer, parameters, range(3))
    weights, state = copy.deepcopy(parameters), copy.deepcopy(optimizer.state_dict())
    _train(optimizer, parameters, range(3, 6))
    expected = copy.deepcopy(parameters)
    with torch.no_grad():
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(weight)
    optimizer.load_state_dict(state)
    _train(optimizer, parameters, range(3, 6))
    assert _same(parameters, expected)


def test_a_closure_is_called_and_its_loss_returned() -> None:
    (weight,) = parameters = [nn.Parameter(torch.ones(1))]
    optimizer = Adam(parameters, **OPTIONS)

    def closure() -> Tensor:
        weight.grad = torch.ones(1)
        return torch.tensor(3.0)

    assert [optimizer.step(closure).item() for _ in range(3)] == [3.0, 3.0, 3.0]
    assert optimizer.state[weight]["step"].item() == 3


def test_torch_does_not_wrap_its_step() -> None:
    Adam(_parameters(), **OPTIONS)
    assert not hasattr(Adam.step, "__wrapped__")
