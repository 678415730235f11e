"""What the sign times a constant has of its own."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.binarize.weights import make_weight_binarizer
from trainers.errors import SpecError


@settings(deadline=None, max_examples=30)
@given(shape=st.lists(st.integers(1, 5), min_size=2, max_size=4), seed=st.integers(0, 10**6))
def test_every_weight_is_plus_or_minus_the_root_of_two_over_the_fan_in(
    shape: list[int], seed: int
) -> None:
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    latent.view(-1)[0] = 0
    scale = math.sqrt(2 / math.prod(shape[1:]))
    expected = torch.where(latent >= 0, scale, -scale)
    assert torch.equal(make_weight_binarizer("mcdonnell", latent)(latent), expected)


def test_the_latent_weight_is_not_bounded() -> None:
    latent = torch.tensor([[9.0, -9.0]])
    make_weight_binarizer("mcdonnell", latent).after_step(latent)
    assert latent.tolist() == [[9.0, -9.0]]


def test_the_sign_of_zero_is_one_or_zero() -> None:
    with pytest.raises(SpecError, match="zero: must be 1 or 0, got -1"):
        make_weight_binarizer("mcdonnell", torch.ones(2, 2), zero=-1)
