"""The plain sign and its clip."""

import pytest
import torch

from trainers.binarize.weights.sign import SignBinarizer
from trainers.errors import SpecError

LATENT = torch.tensor([[0.4, -0.1, 0.0], [-0.0, 7.0, -7.0]])


def test_the_binary_weight_is_the_sign_without_a_scale() -> None:
    assert SignBinarizer(LATENT)(LATENT).tolist() == [[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]]


@pytest.mark.parametrize("clip", [None, 0.5])
def test_the_gradient_passes_whole_also_beyond_the_clip(clip: float | None) -> None:
    latent = LATENT.clone().requires_grad_()
    upstream = torch.tensor([[1.0, -2.0, 3.0], [4.0, -5.0, 6.0]])
    SignBinarizer(LATENT, clip=clip)(latent).backward(upstream)
    assert latent.grad is not None
    assert torch.equal(latent.grad, upstream)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_clip_bounds_the_latent_weight_after_each_step_also_while_it_is_off(
    enabled: bool,
) -> None:
    binarizer, latent = SignBinarizer(LATENT, clip=0.3), LATENT.clone()
    binarizer.enabled = enabled
    binarizer.after_step(latent)
    assert latent.tolist() == [pytest.approx([0.3, -0.1, 0.0]), pytest.approx([0.0, 0.3, -0.3])]


def test_the_latent_weight_is_free_without_a_clip() -> None:
    latent = LATENT.clone()
    SignBinarizer(LATENT).after_step(latent)
    assert torch.equal(latent, LATENT)


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan")])
def test_a_clip_that_is_not_positive_is_refused(clip: float) -> None:
    with pytest.raises(SpecError, match="clip must be positive, got"):
        SignBinarizer(LATENT, clip=clip)


def test_zeros_of_either_sign_stay_zero_where_that_is_asked_for() -> None:
    binary = SignBinarizer(LATENT, zero=0)(LATENT)
    assert binary.tolist() == [[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]


def test_the_gradient_passes_whole_where_zeros_stay_zero() -> None:
    latent = LATENT.clone().requires_grad_()
    upstream = torch.tensor([[1.0, -2.0, 3.0], [4.0, -5.0, 6.0]])
    SignBinarizer(LATENT, zero=0)(latent).backward(upstream)
    assert latent.grad is not None
    assert torch.equal(latent.grad, upstream)


@pytest.mark.parametrize("zero", [-1, 2])
def test_zero_becomes_one_or_stays(zero: int) -> None:
    with pytest.raises(SpecError, match=f"zero: must be 1 or 0, got {zero}"):
        SignBinarizer(LATENT, zero=zero)
