"""The formulas themselves, against values worked out by Python's own floats."""

import math
from typing import Any

import torch


def test_parameters_follow_the_formula_element_by_element(formulas: Any) -> None:
    values = formulas.parameter((3, 4), 2, 0.5).flatten().tolist()
    for index, value in enumerate(values):
        m = index + 1
        phase = 0.7 + 12.9898 * m + 78.233 * 3 + 0.37 * ((m * m) % 8191)
        assert abs(value - 0.5 * math.sin(phase)) < 1e-7


def test_no_parameter_is_nearer_to_zero_than_the_floor(formulas: Any) -> None:
    values = formulas.parameter((300, 784), 0, 1e-5)
    smallest = torch.tensor(1e-6).float().item()
    assert values.abs().min() >= smallest
    assert (values.abs() == torch.tensor(2e-6).float()).any()


def test_batches_go_on_where_the_one_before_ended(formulas: Any) -> None:
    whole = formulas.batch(0, 6)
    half = formulas.batch(1, 3)
    assert torch.equal(whole.images[3:], half.images)
    assert torch.equal(whole.labels[3:], half.labels)
    assert whole.labels.tolist() == [3, 0, 7, 4, 1, 8]
    first = 1.5 * math.sin(0.3 + 0.61803398875 + 0.29)
    assert abs(whole.images[0, 0].item() - first) < 1e-7
