"""Which layers keep real inputs."""

import math
from typing import Any

import pytest

from orchestrator.planning.hybrid import Rule, shares_of, worst_first
from trainers.binding import Component
from trainers.engine.layer_errors import LayerErrors
from trainers.errors import SpecError

ERRORS = {
    "a": LayerErrors(0.5, 1.0, 0.1),
    "b": LayerErrors(0.9, 0.5, 0.2),
    "c": LayerErrors(0.5, 2.0, 0.3),
    "d": LayerErrors(0.7, 0.2, 0.4),
}
SHARES = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.25}


def test_layers_are_ranked_by_the_measure_and_equal_ones_by_their_order() -> None:
    assert worst_first(ERRORS, "rmse") == ("b", "d", "a", "c")
    assert worst_first(ERRORS, "normalized_rmse") == ("c", "a", "b", "d")
    assert worst_first(ERRORS, "one_minus_w2") == ("d", "c", "b", "a")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(keep=1), ("b",)),
        (Rule(keep=3), ("a", "b", "d")),
        (Rule(keep=2, measure="normalized_rmse"), ("a", "c")),
        (Rule(budget=0.2), ("b",)),
        (Rule(budget=0.44), ("b",)),
        (Rule(budget=0.45), ("b", "d")),
        # c does not fit, so it ends there, though a would.
        (Rule(budget=0.35, measure="normalized_rmse"), ("c",)),
        (Rule(threshold=0.7), ("b",)),
        (Rule(threshold=0.69), ("b", "d")),
        (Rule(threshold=0.15, measure="one_minus_w2"), ("b", "c", "d")),
    ],
)
def test_the_worst_layers_keep_real_inputs(rule: Rule, expected: tuple[str, ...]) -> None:
    assert rule.chosen(ERRORS, SHARES) == expected


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"keep": 0}, "--keep: must be 1 or more, got 0"),
        ({"keep": 4}, "--keep: 4: keeps every input real, which is the control; use"),
        ({"keep": 5}, "--keep: 5: the network has 4 layers with binary inputs; use"),
        ({"keep": -1}, "--keep: must be 1 or more, got -1"),
        ({"budget": 0.1}, "b, the worst layer by rmse, has 20.0% .*; use 0.2 or more"),
        ({"budget": -0.5}, "--budget: must be between 0 and 1, got -0.5"),
        ({"budget": math.nan}, "--budget: must be between 0 and 1, got nan"),
        ({"budget": 1}, "--budget: would keep every input real, which is the control"),
        ({"threshold": 0.9}, "no layer's rmse is above 0.9; the largest is 0.9, of b"),
        ({"threshold": math.nan}, "--threshold: must be a number, got nan"),
        ({"threshold": 0}, "--threshold: would keep every input real"),
    ],
)
def test_a_rule_that_chooses_no_layer_or_all_is_refused_with_what_would_do(
    numbers: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        Rule(**numbers).chosen(ERRORS, SHARES)


def test_a_layer_without_a_value_is_not_chosen() -> None:
    unused = LayerErrors(math.nan, math.nan, math.nan)
    assert Rule(keep=3).chosen(ERRORS | {"e": unused}, SHARES) == ("a", "b", "d")
    with pytest.raises(SpecError, match="1 layers with binary inputs have a finite rmse"):
        Rule(keep=1).chosen({"a": ERRORS["a"], "e": unused}, SHARES)


def test_a_layers_share_is_of_all_multiply_accumulates() -> None:
    model = Component("mlp", {"widths": (64, 20, 15, 10)})
    total = 64 * 20 + 20 * 15 + 15 * 10
    found = shares_of(model, Component("digits"), ["fc2", "fc3"])
    assert found == pytest.approx({"fc2": 20 * 15 / total, "fc3": 15 * 10 / total})


def test_a_block_has_the_layers_that_no_place_within_it_names() -> None:
    model, data = Component("resnet20"), Component("cifar10")
    found = shares_of(model, data, ["stage2.0", "stage2.0.conv2", "stage2.1"])
    # At half the image's size: one convolution from 16 channels, others from 32.
    assert found["stage2.0.conv2"] == pytest.approx(found["stage2.1"] / 2)
    assert found["stage2.0"] == pytest.approx(found["stage2.0.conv2"] / 2, rel=0.1)
