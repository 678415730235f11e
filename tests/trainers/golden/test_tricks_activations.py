"""Activations of the training tricks: the sign, the leaky and the hard clip."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers import make_activation_binarizer

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("tricks.json").read_text())["cases"]


@pytest.mark.parametrize(
    ("case", "name", "options"),
    [
        ("bin_active", "sign", {"zero": 0, "closed": True}),
        ("leaky_clip", "leaky_clip", {}),
        ("hard_clip", "hard_clip", {}),
    ],
)
def test_values_and_gradients_are_the_published_ones(
    case: str, name: str, options: dict[str, Any], of_tricks: Any
) -> None:
    setup, expected = CASES[case]["setup"], CASES[case]["f64"]
    if "slope" in setup:
        options = {"slope": setup["slope"]}
    x = torch.tensor(setup["x"], dtype=torch.float64, requires_grad=True)
    y = make_activation_binarizer(name, **options)(x)
    y.backward(of_tricks.upstream(tuple(x.shape)))
    assert y.tolist() == pytest.approx(expected["forward"], rel=1e-6)
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx(expected["backward"], rel=1e-6)
