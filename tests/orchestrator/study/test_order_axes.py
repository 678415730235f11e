"""Orders of layers: their names, their numbers, their labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.study.order_axes import named_permutation, order_label
from trainers.errors import SpecError


@pytest.mark.parametrize("name", [132, "132", "1-3-2", [1, 3, 2]])
def test_an_order_may_be_written_in_several_ways(name: object) -> None:
    assert named_permutation(name, 3) == (1, 3, 2)


def test_forward_and_reverse_are_names_of_orders() -> None:
    assert named_permutation("forward", 4) == (1, 2, 3, 4)
    assert named_permutation("reverse", 4) == (4, 3, 2, 1)


@pytest.mark.parametrize("name", [12, 122, 1324, "0-1-2", "1-2-3-", [1, 2], "", None, "²13"])
def test_what_names_no_order_of_all_layers_is_refused(name: object) -> None:
    with pytest.raises(SpecError, match="is no order of layers 1 to 3"):
        named_permutation(name, 3)


def test_a_misspelt_order_brings_the_nearest_name() -> None:
    with pytest.raises(SpecError, match="did you mean 'reverse'"):
        named_permutation("revers", 3)


@given(st.integers(2, 12).flatmap(lambda n: st.permutations(range(1, n + 1))))
def test_the_label_of_an_order_names_that_order(order: list[int]) -> None:
    assert named_permutation(order_label(order), len(order)) == tuple(order)


def test_layer_numbers_above_nine_are_kept_apart() -> None:
    order = [2, 1, *range(3, 11)]
    assert order_label(order) == "2-1-3-4-5-6-7-8-9-10"
