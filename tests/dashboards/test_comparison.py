"""Rows of a matrix against its control: what is said to differ, and how often wrongly."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dashboards.comparison import FEWEST, Comparison, Difference, compare, friedman

ROWS = ("float", "binary", "forward", "reverse", "132", "213", "231", "312")
NOISE = (0.1, -0.2, 0.3, -0.1, 0.05)
"""Differences of five seeds, in points; they sum to 0.15."""


def _matrix(values: Sequence[Sequence[float]], **attrs: Any) -> pd.DataFrame:
    table = np.asarray(values, dtype=float)
    empty = np.zeros((len(table), 4))
    columns = ["mean", "std", "n", "best", *(f"seed {number}" for number in range(table.shape[1]))]
    frame = pd.DataFrame(
        np.hstack([empty, table]), index=list(ROWS[: len(table)]), columns=columns
    )
    frame.index.name = "order"
    usual = {
        "metric": "selected/test_error", "better": "lower", "control": "binary",
        "controls": ["float", "binary"], "margin": None, "planned": table.shape[1],
    }  # fmt: skip
    frame.attrs = usual | attrs
    return frame


def _found(values: Sequence[Sequence[float]], **attrs: Any) -> Comparison:
    found = compare(_matrix(values, **attrs))
    assert found is not None
    return found


def _first(values: Sequence[Sequence[float]], **attrs: Any) -> Difference:
    return _found(values, **attrs).differences[0]


def _pair(shift: float, noise: Sequence[float] = NOISE) -> list[list[float]]:
    """float, then binary: float is higher by `shift` points, give or take."""
    binary = [2.0, 2.4, 1.9, 2.2, 2.1][: len(noise)]
    return [
        [(b + shift + n) / 100 for b, n in zip(binary, noise, strict=True)],
        [b / 100 for b in binary],
    ]


@pytest.mark.parametrize("first", range(5, 30))
def test_differences_that_are_equal_but_for_rounding_give_no_verdict(first: int) -> None:
    # One image of 360 more in each seed: such differences are not equal as floating-point numbers.
    binary = [(first + more) / 360 for more in (0, 3, 7)]
    one = _first([[(first + 1 + more) / 360 for more in (0, 3, 7)], binary])
    assert one.differs is None
    assert one.refusal == "all differences are the same"


def test_equal_rows_are_seldom_told_apart() -> None:
    source = np.random.default_rng(20)
    wrong = alarms = 0
    for _ in range(500):
        found = _found(source.normal(0.02, 0.005, (len(ROWS), 5)))
        wrong += any(one.differs for one in found.differences)
        alarms += found.same < 0.05
    # 5 % and three standard deviations of 500 draws.
    assert wrong / 500 <= 0.08
    assert alarms / 500 <= 0.08


def test_verdicts_are_wrong_in_at_most_one_of_twenty_matrices_of_equal_rows() -> None:
    """The same rule for 2,000 matrices at once: paired t tests at 5 % for seven rows."""
    source = np.random.default_rng(1)
    values = source.normal(0.02, 0.005, (2000, len(ROWS), 5))
    pairs = np.delete(values, 1, axis=1) - values[:, 1:2]
    half = stats.t.ppf(1 - 0.05 / 7 / 2, 4) * pairs.std(2, ddof=1) / math.sqrt(5)
    expected = (abs(pairs.mean(2)) > half).any(1)
    assert expected.mean() <= 0.065
    # Ours says the same of the first of them, and of all that have a verdict.
    for number in [*range(40), *np.flatnonzero(expected)[:20]]:
        found = _found(values[number])
        assert any(one.differs for one in found.differences) == expected[number]


def test_a_large_difference_is_found_whichever_direction_is_better() -> None:
    for better in ("lower", "higher"):
        one = _first(_pair(1.5), better=better)
        assert one.differs
        assert one.mean == pytest.approx(0.0153)
        assert one.low < one.mean < one.high
        test = stats.ttest_rel(*_pair(1.5))
        low, high = test.confidence_interval(0.95)
        assert (one.low, one.high) == pytest.approx((low, high))


def test_more_rows_widen_the_interval() -> None:
    alone = _first(_pair(0.2))
    among = _first([*_pair(0.2), [0.02, 0.03, 0.01, 0.02, 0.05]])
    assert among.high - among.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("values", "planned", "refusal"),
    [
        (_pair(1.5, NOISE[:3]), 5, "3 of 5 seeds"),
        ([[0.03, math.nan, 0.03, 0.04], [0.02, 0.02, 0.03, 0.02]], 4, "3 of 4 seeds"),
        (_pair(1.5, NOISE[:2]), 2, f"2 of at least {FEWEST} seeds"),
        ([[0.5, 0.25, 0.75], [0.25, 0.0, 0.5]], 3, "all differences are the same"),
    ],
)
def test_there_is_no_verdict_without_enough_to_tell(
    values: Sequence[Sequence[float]], planned: int, refusal: str
) -> None:
    one = _first(values, planned=planned, margin=5.0)
    assert (one.refusal, one.differs, one.is_not_worse) == (refusal, None, None)
    assert math.isnan(one.low)


@pytest.mark.parametrize(
    ("shift", "better", "margin", "expected"),
    [
        (0.0, "lower", 0.5, True),
        (0.0, "lower", 0.1, False),
        (0.6, "lower", 0.5, False),
        (-3.0, "lower", 0.5, True),
        (-3.0, "higher", 0.5, False),
        (3.0, "higher", 0.5, True),
        (0.0, "lower", None, None),
    ],
)
def test_not_worse_needs_a_margin_named_before(
    shift: float, better: str, margin: float | None, expected: bool | None
) -> None:
    assert _first(_pair(shift), better=better, margin=margin).is_not_worse == expected


def test_a_margin_of_another_metric_is_in_its_own_unit() -> None:
    values = [[1.0, 1.2, 1.1, 1.3], [1.1, 1.1, 1.15, 1.2]]
    assert _first(values, metric="last/epoch", margin=0.5).is_not_worse
    assert not _first(values, metric="last/epoch", margin=0.05).is_not_worse


def test_the_question_is_friedmans_test_with_imans_and_davenports_f() -> None:
    rows = np.random.default_rng(3).normal(size=(6, 5))
    chi, _ = stats.friedmanchisquare(*rows)
    f = 4 * chi / (5 * 5 - chi)
    assert friedman(rows) == pytest.approx(stats.f.sf(f, 5, 20))
    # Equal values share their rank.
    tied = rows.round(0)
    chi, _ = stats.friedmanchisquare(*tied)
    assert friedman(tied) == pytest.approx(stats.f.sf(4 * chi / (25 - chi), 5, 20))


def test_the_question_leaves_controls_out_and_waits_for_all_seeds() -> None:
    source = np.random.default_rng(4)
    values = source.normal(0.02, 0.001, (8, 5))
    values[0] += 0.05
    found = _found(values)
    assert found.num_compared == 6
    assert found.same == pytest.approx(friedman(values[2:]))
    values[5, 2] = math.nan
    assert math.isnan(_found(values).same)
    assert friedman(np.arange(6.0)[:, None] + np.zeros((6, 5))) == 0
    assert math.isnan(friedman(np.zeros((6, 5))))
    assert math.isnan(friedman(values[:2]))


def test_what_so_many_seeds_can_show_is_the_power_of_the_paired_test() -> None:
    source = np.random.default_rng(5)
    found = _found(source.normal(0.02, 0.005, (8, 5)))
    level, n = 0.05 / 7, 5
    pairs = _spread_of_pairs(found, source)
    size = found.smallest / pairs
    power = stats.nct.sf(stats.t.ppf(1 - level / 2, n - 1), n - 1, size * math.sqrt(n))
    assert power == pytest.approx(0.8, abs=1e-3)
    for seeds, enough in ((found.num_seeds, True), (found.num_seeds - 1, False)):
        bound = stats.t.ppf(1 - level / 2, seeds - 1)
        assert (stats.nct.sf(bound, seeds - 1, size / 2 * math.sqrt(seeds)) >= 0.8) == enough


def _spread_of_pairs(found: Comparison, source: np.random.Generator) -> float:
    """The median deviation of the differences, from the widths of their intervals."""
    half = [(one.high - one.low) / 2 for one in found.differences]
    bound = stats.t.ppf(1 - 0.05 / 7 / 2, 4)
    return float(np.median(half)) * math.sqrt(5) / bound


def test_the_best_of_eight_equal_rows_looks_better_than_it_is() -> None:
    values = np.random.default_rng(6).normal(0, 1, (8, 400))
    found = _found(values)
    # The largest of eight standard normal values is 1.42 on average.
    assert found.luck == pytest.approx(1.4236 / math.sqrt(400), rel=0.05)


def test_what_seeds_share_is_between_nothing_and_all() -> None:
    source = np.random.default_rng(7)
    shared = source.normal(size=(1, 200))
    alone = source.normal(size=(8, 200))
    assert _found(alone).of_seeds == pytest.approx(0, abs=0.05)
    assert _found(shared + 0.01 * alone).of_seeds == pytest.approx(1, abs=0.01)
    assert _found(shared + alone).of_seeds == pytest.approx(0.5, abs=0.1)


def test_a_study_that_names_no_control_is_not_compared() -> None:
    assert compare(_matrix(_pair(1.5), control=None)) is None
    assert compare(_matrix(_pair(1.5), control="nobody")) is None


def test_each_earlier_look_lowers_the_level() -> None:
    plain, later = _found(_pair(0.2)), _found(_pair(0.2), looks=[3])
    assert (plain.level, later.level) == (0.05, 0.0125)
    low, high = stats.ttest_rel(*_pair(0.2)).confidence_interval(1 - 0.0125)
    one = later.differences[0]
    assert (one.low, one.high) == pytest.approx((low, high))


def test_rows_without_a_finished_cell_count_and_wait() -> None:
    rows = ["float", "binary", "forward", "reverse", "132"]
    values = np.random.default_rng(8).normal(0.02, 0.001, (5, 5))
    whole = _found(values, rows=rows)
    late = _found(values, rows=[*rows, "213", "231"])
    assert (whole.num_compared, late.num_compared) == (3, 5)
    assert not math.isnan(whole.same)
    assert math.isnan(late.same)
    one, other = whole.differences[0], late.differences[0]
    assert other.high - other.low > one.high - one.low
