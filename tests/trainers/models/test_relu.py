"""ReLU in front of a module, and the sign that takes its place."""

import torch
from torch import nn

from trainers.binarize.attach import binarize_activations
from trainers.models.relu import relu_before

X = torch.tensor([[-2.0, 0.0, 3.0]])


def test_what_a_module_is_to_take_goes_through_relu() -> None:
    for module in (nn.Linear(3, 2), nn.Flatten()):
        assert relu_before(module, X).tolist() == [[0.0, 0.0, 3.0]]


def test_before_a_module_with_binary_input_x_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    binarize_activations(model, ["1"], "sign")
    assert relu_before(model[1], X) is X
    assert relu_before(model[0], X).min() == 0


def test_gradients_pass_where_x_is_positive() -> None:
    x = X.clone().requires_grad_()
    relu_before(nn.Flatten(), x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0, 1.0]]
