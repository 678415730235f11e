"""Gradient centralization."""

import copy

import pytest
import torch
from torch import nn

from trainers.optim.centralization import centralized
from trainers.optim.optimizers import OPTIMIZERS


def test_each_output_loses_the_mean_of_its_gradient() -> None:
    assert centralized(torch.tensor([[1.0, 3.0], [0.0, 5.0]])).tolist() == [[-1, 1], [-2.5, 2.5]]


def test_a_gradient_with_one_axis_stays() -> None:
    gradient = torch.tensor([1.0, 3.0])
    assert centralized(gradient) is gradient


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_step_is_that_of_the_optimizer_with_centralized_gradients(name: str) -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4))]
    theirs = copy.deepcopy(ours)
    one = OPTIMIZERS[name](ours, lr=0.1, weight_decay=0.01, grad_centralization=True)
    other = OPTIMIZERS[name](theirs, lr=0.1, weight_decay=0.01)
    for _ in range(3):
        for mine, its in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            its.grad = centralized(mine.grad.clone())
        one.step()
        other.step()
    for mine, its in zip(ours, theirs, strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_closure_is_called_with_gradients_and_its_loss_is_given_back(name: str) -> None:
    weight = nn.Parameter(torch.tensor([[1.0, 3.0]]))
    optimizer = OPTIMIZERS[name]([weight], lr=0.1, grad_centralization=True)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (weight * torch.tensor([[1.0, 2.0]])).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    assert optimizer.step(closure).item() == 7
    assert weight.mean().item() == pytest.approx(2)
