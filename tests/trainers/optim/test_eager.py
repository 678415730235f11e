"""Torch's optimizers without its compiler: the same weights and states, and no compiler."""

import subprocess
import sys
import textwrap
from typing import Any

import pytest
import torch
from torch import nn

from trainers.optim.eager import Sgd

OPTIONS = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True, "fused": True}


def _parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(5)
    return [nn.Parameter(torch.randn(s, generator=generator)) for s in ((7, 33), (7,))]


def _train(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: range) -> None:
    for number in steps:
        generator = torch.Generator().manual_seed(number)
        optimizer.zero_grad()
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def _trained(kind: type[torch.optim.SGD], **options: Any) -> list[nn.Parameter]:
    parameters = _parameters()
    _train(kind(parameters, **options), parameters, range(5))
    return parameters


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_weights_are_those_of_torchs_sgd(momentum: float) -> None:
    options = {**OPTIONS, "momentum": momentum, "nesterov": bool(momentum)}
    ours, theirs = _trained(Sgd, **options), _trained(torch.optim.SGD, **options)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_either_goes_on_from_the_others_state() -> None:
    whole = _trained(Sgd, **OPTIONS)
    for first, second in ((Sgd, torch.optim.SGD), (torch.optim.SGD, Sgd)):
        parameters = _parameters()
        begun = first(parameters, **OPTIONS)
        _train(begun, parameters, range(3))
        goes_on = second(parameters, **OPTIONS)
        goes_on.load_state_dict(begun.state_dict())
        _train(goes_on, parameters, range(3, 5))
        assert all(torch.equal(one, other) for one, other in zip(parameters, whole, strict=True))


def test_a_closure_is_called_with_gradients_and_its_loss_is_given_back() -> None:
    parameters = _parameters()
    optimizer = Sgd(parameters, **OPTIONS)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = sum((p**2).sum() for p in parameters)
        assert isinstance(loss, torch.Tensor)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert losses == sorted(losses, reverse=True)


def test_hooks_on_a_step_are_called() -> None:
    parameters = _parameters()
    optimizer = Sgd(parameters, **OPTIONS)
    called: list[int] = []
    optimizer.register_step_post_hook(lambda *_: called.append(1))
    _train(optimizer, parameters, range(2))
    assert called == [1, 1]


def test_neither_optimizer_loads_torchs_compiler() -> None:
    script = textwrap.dedent(
        """
        import sys
        import torch
        from trainers.optim.optimizers import adam, sgd

        for make in (adam, sgd):
            parameter = torch.nn.Parameter(torch.zeros(2))
            parameter.grad = torch.ones(2)
            optimizer = make([parameter], lr=0.1)
            optimizer.step()
            optimizer.zero_grad()
            optimizer.load_state_dict(optimizer.state_dict())
        sys.exit("torch._dynamo" in sys.modules)
        """
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False).returncode == 0


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_parameter_that_joins_later_is_updated_as_by_torch(nesterov: bool) -> None:
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": nesterov}
    results = []
    for kind, fused in ((Sgd, True), (torch.optim.SGD, False)):
        torch.manual_seed(1)
        first, late = (torch.nn.Parameter(torch.randn(4, dtype=torch.float64)) for _ in range(2))
        optimizer = kind([first, late], fused=fused, **options)
        for step in range(5):
            first.grad = torch.randn(4, dtype=torch.float64)
            # It was frozen, trains, and is frozen again.
            late.grad = torch.randn(4, dtype=torch.float64) if step in (2, 3) else None
            optimizer.step()
        results.append(torch.stack((first.detach(), late.detach())))
    torch.testing.assert_close(*results, rtol=1e-14, atol=1e-14)
