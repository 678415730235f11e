"""The sign times the mean magnitude of the filter."""

import pytest
import torch

from trainers.binarize.weights.xnor import XnorBinarizer
from trainers.errors import SpecError


def test_each_filter_has_its_own_scale_and_zeros_become_minus() -> None:
    latent = torch.tensor([[0.5, -1.5, 0.0, -0.0], [4.0, 4.0, -4.0, 4.0]])
    binary = XnorBinarizer(latent)(latent)
    assert binary.tolist() == [[0.5, -0.5, -0.5, -0.5], [4.0, 4.0, -4.0, 4.0]]


def test_the_plain_gradient_passes_whole() -> None:
    latent = torch.randn(3, 4, 2, 2, requires_grad=True)
    plain = XnorBinarizer(latent, gradient="straight_through")(latent)
    plain.sum().backward()
    assert latent.grad is not None
    assert torch.equal(latent.grad, torch.ones_like(latent))
    assert torch.equal(plain, XnorBinarizer(latent)(latent))


def test_only_the_published_gradient_needs_two_input_channels() -> None:
    one = torch.ones(3, 1, 3, 3)
    fault = XnorBinarizer(one).layer_fault(one.shape)
    assert fault is not None
    assert "factor 1 - 1/1 = 0" in str(fault)
    assert XnorBinarizer(one, gradient="straight_through").layer_fault(one.shape) is None
    assert XnorBinarizer(one).layer_fault((3, 2, 3, 3)) is None


def test_a_vector_is_no_weight_of_a_layer() -> None:
    with pytest.raises(SpecError, match="has 1 dimension; a layer's weight has"):
        XnorBinarizer(torch.ones(3))
