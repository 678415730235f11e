"""Axes multiplied out, and epochs scaled."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.study.product import scaled_epochs
from orchestrator.study.spec import StudySpec

MakeStudy = Callable[..., StudySpec]
MakeMapping = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("scale", "epochs", "scaled"),
    [
        ("0.02", 450, 9),
        ("0.02", 150, 3),
        ("0.07", 100, 7),
        ("0.1", 30, 3),
        ("0.5", 3, 2),
        ("0.001", 1, 1),
        ("1", 450, 450),
    ],
)
def test_epochs_are_scaled_exactly_and_rounded_up(scale: str, epochs: int, scaled: int) -> None:
    assert scaled_epochs(scale)(epochs) == scaled


@given(st.decimals("0.0001", "1", places=4).map(str), st.integers(1, 10**9), st.integers(0, 10**6))
def test_scaled_epochs_are_exact_and_monotone(scale: str, epochs: int, more: int) -> None:
    scaled = scaled_epochs(scale)
    assert scaled(epochs) == max(1, math.ceil(Fraction(scale) * epochs))
    assert 1 <= scaled(epochs) <= epochs
    assert scaled(epochs) <= scaled(epochs + more)
