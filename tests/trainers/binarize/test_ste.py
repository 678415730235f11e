"""The sign, zeros included, and the gradient in its place."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.binarize.ste import sign, sign_ste

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 5e-324, -5e-324, float("inf"), -float("inf")]),
    st.floats(allow_nan=False),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_sign_of_zero_is_plus_one(zero: float, dtype: torch.dtype) -> None:
    assert sign(torch.tensor([zero], dtype=dtype)).tolist() == [1.0]
    assert sign_ste(torch.tensor([zero], dtype=dtype)).tolist() == [1.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_of_either_sign_stay_zero_where_that_is_asked_for(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, -0.0, 0.5, -0.5], dtype=dtype, requires_grad=True)
    result = sign_ste(x, zero=0)
    assert (result.dtype, result.tolist()) == (dtype, [0.0, 0.0, 1.0, -1.0])
    result.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0] * 4


@settings(deadline=None, max_examples=200)
@given(values=st.lists(NUMBERS, min_size=1, max_size=12), dtype=st.sampled_from(DTYPES[:2]))
def test_sign_is_plus_one_exactly_where_x_is_not_negative(
    values: list[float], dtype: torch.dtype
) -> None:
    x = torch.tensor(values, dtype=dtype)
    expected = [1.0 if value >= 0 else -1.0 for value in x.tolist()]
    assert sign(x).tolist() == expected
    assert sign_ste(x).tolist() == expected


@settings(deadline=None, max_examples=50)
@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 99),
)
def test_sign_keeps_shape_and_dtype_and_leaves_x_alone(
    shape: list[int], dtype: torch.dtype, seed: int
) -> None:
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=source, dtype=torch.float32).to(dtype)
    kept = x.clone()
    result = sign(x)
    assert (result.shape, result.dtype) == (x.shape, x.dtype)
    assert torch.equal(result.abs(), torch.ones_like(x))
    assert torch.equal(x, kept)


def test_sign_reads_a_transposed_tensor_in_its_own_order() -> None:
    x = torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
    assert sign(x.T).tolist() == x.T.tolist()
    assert sign(x[:, ::2]).tolist() == [[1.0, 1.0], [-1.0, 1.0]]


def test_gradient_of_sign_ste_passes_whole_however_large_the_weight() -> None:
    x = torch.tensor([[-5.0, -1.0, -0.0], [0.0, 0.3, 700.0]], requires_grad=True)
    upstream = torch.tensor([[0.5, -2.0, 3.0], [-0.25, 1e6, 1e-6]])
    sign_ste(x).backward(upstream)
    assert x.grad is not None
    assert torch.equal(x.grad, upstream)


def test_gradient_of_sign_ste_is_that_of_the_identity_behind_another_function() -> None:
    x = torch.tensor([0.2, -0.7], dtype=torch.float64, requires_grad=True)
    (sign_ste(x * 3) * torch.tensor([2.0, 5.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6.0, 15.0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_sign_is_the_same_on_a_gpu() -> None:
    x = torch.tensor([0.0, -0.0, 1e-40, -1e-40, 2.0, -2.0], device="cuda")
    assert sign(x).tolist() == sign(x.cpu()).tolist() == [1.0, 1.0, 1.0, -1.0, 1.0, -1.0]
