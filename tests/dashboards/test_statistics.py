"""Mean, spread and best of a few values."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.statistics import mean_of, summarise

VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=10)


def test_the_spread_is_the_sample_standard_deviation() -> None:
    summary = summarise([0.1, 0.2, 0.4], better="lower")
    mean = 0.7 / 3
    spread = math.sqrt(sum((value - mean) ** 2 for value in (0.1, 0.2, 0.4)) / 2)
    assert summary.mean == pytest.approx(mean)
    assert summary.std == pytest.approx(spread)
    assert summary.n == 3


def test_the_best_is_the_lowest_or_the_highest() -> None:
    assert summarise([0.3, 0.1, 0.2], better="lower").best == 0.1
    assert summarise([0.3, 0.1, 0.2], better="higher").best == 0.3


def test_one_value_has_no_spread() -> None:
    summary = summarise([0.25], better="lower")
    assert (summary.mean, summary.n, summary.best) == (0.25, 1, 0.25)
    assert math.isnan(summary.std)


def test_what_is_no_number_is_missing() -> None:
    assert summarise([0.1, math.nan, 0.3], better="lower") == summarise([0.1, 0.3], better="lower")
    nothing = summarise([math.nan], better="higher")
    assert nothing.n == 0
    assert all(math.isnan(value) for value in (nothing.mean, nothing.std, nothing.best))


def test_no_value_has_no_summary() -> None:
    summary = summarise([], better="lower")
    assert summary.n == 0
    assert math.isnan(summary.mean)


@given(VALUES)
def test_the_summary_is_that_of_pythons_own_statistics(values: list[float]) -> None:
    summary = summarise(values, better="lower")
    assert summary.mean == pytest.approx(statistics.mean(values))
    assert summary.std == pytest.approx(statistics.stdev(values), abs=1e-12)
    assert min(values) == summary.best
    assert summary.best <= summary.mean + 1e-12


@given(VALUES)
def test_the_order_of_values_does_not_matter(values: list[float]) -> None:
    one, other = (summarise(items, better="higher") for items in (values, sorted(values)))
    assert one.mean == pytest.approx(other.mean)
    assert (one.n, one.best) == (other.n, other.best)


@given(VALUES)
def test_the_mean_alone_is_that_of_the_summary(values: list[float]) -> None:
    assert mean_of([*values, math.nan]) == summarise(values, better="lower").mean
    assert math.isnan(mean_of([math.nan]))
