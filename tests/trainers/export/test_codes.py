"""Binary weights as bytes and back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainers.export.codes import decoded, encoded, packed_bits, unpacked_bits

SHAPES = st.lists(st.integers(1, 7), min_size=2, max_size=4).map(tuple)


def _binary(shape: tuple[int, ...], seed: int, *, keep: float, values: str) -> Tensor:
    """A weight of two values in a layer or in each filter, and of zeros where nothing is kept."""
    source = torch.Generator().manual_seed(seed)
    rows = 1 if values.startswith("layer") else shape[0]
    pair = torch.rand(2, rows, *[1] * (len(shape) - 1), generator=source) + 0.1
    if values.endswith("symmetric"):
        pair[0] = -pair[1]
    weight = torch.where(torch.rand(shape, generator=source) < 0.5, pair[0], pair[1])
    return torch.where(torch.rand(shape, generator=source) < keep, weight, 0.0)


@settings(deadline=None, max_examples=150)
@given(
    shape=SHAPES,
    seed=st.integers(0, 10**6),
    keep=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    values=st.sampled_from(["layer symmetric", "layer", "filter symmetric", "filter"]),
)
def test_every_binary_weight_comes_back_to_the_same_bits(
    shape: tuple[int, ...], seed: int, keep: float, values: str
) -> None:
    weight = _binary(shape, seed, keep=keep, values=values)
    code = encoded(weight)
    assert code is not None
    again = decoded(*code, shape)
    assert again.dtype == weight.dtype
    assert torch.equal(again, weight)


def test_two_values_take_one_bit_each_and_a_pair_of_values_in_all() -> None:
    weight = _binary((5, 3, 3, 3), 1, keep=1, values="layer symmetric")
    code = encoded(weight)
    assert code is not None
    parts, levels = code
    assert {name: len(part) for name, part in parts.items()} == {"bits": 17}
    assert levels.tolist() == [weight.min().item(), weight.max().item()]


def test_two_values_of_each_filter_take_one_bit_each_and_a_pair_a_filter() -> None:
    code = encoded(_binary((5, 100), 1, keep=1, values="filter"))
    assert code is not None
    assert list(code[0]) == ["bits"]
    assert code[1].shape == (5, 2)


@pytest.mark.parametrize(("keep", "expected"), [(0.1, "mask"), (0.5, "mask"), (0.8, "trits")])
def test_of_mask_with_signs_and_ternary_the_smaller_is_taken(keep: float, expected: str) -> None:
    weight = _binary((20, 100), 3, keep=keep, values="layer symmetric")
    code = encoded(weight)
    assert code is not None
    assert next(iter(code[0])) == expected
    num, kept = weight.numel(), int((weight != 0).sum())
    sizes = {"mask": -(-num // 8) + -(-kept // 8), "trits": -(-num // 5)}
    assert sum(part.numel() for part in code[0].values()) == min(sizes.values())


def test_a_zero_loses_its_sign() -> None:
    code = encoded(torch.tensor([[1.0, -0.0, -1.0, 1.0]]))
    assert code is not None
    again = decoded(*code, (1, 4))
    assert again.tolist() == [[1.0, 0.0, -1.0, 1.0]]
    assert not again.signbit()[0, 1]


@pytest.mark.parametrize("weight", [[[1.0, 2.0, 3.0]], [[0.5, -0.5, 0.25, 0.0]]])
def test_a_weight_of_more_values_is_not_binary(weight: list[list[float]]) -> None:
    assert encoded(torch.tensor(weight)) is None


@settings(deadline=None, max_examples=40)
@given(num=st.integers(1, 70), seed=st.integers(0, 10**6))
def test_bits_are_packed_as_numpy_packs_them(num: int, seed: int) -> None:
    bits = torch.rand(num, generator=torch.Generator().manual_seed(seed)) < 0.5
    packed = packed_bits(bits)
    assert packed.tolist() == np.packbits(bits.numpy()).tolist()
    assert torch.equal(unpacked_bits(packed, num), bits)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"bits": torch.zeros(2, dtype=torch.uint8)}, "should be 1 bytes"),
        ({"bits": torch.zeros(1)}, "should be 1 bytes"),
        ({"trits": torch.full((2,), 250, dtype=torch.uint8)}, "no five trits"),
        ({"mask": torch.full((1,), 255, dtype=torch.uint8)}, "has the parts mask"),
        ({}, "has the parts none"),
    ],
    ids=["length", "type", "trits", "half", "nothing"],
)
def test_bytes_that_cannot_be_are_refused(parts: dict[str, Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decoded(parts, torch.tensor([-1.0, 1.0]), (2, 4))
