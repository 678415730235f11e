"""What a matrix carries: whether its rows differ at all, and each row against the control."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from dashboards.matrix import cell_values
from dashboards.report import is_share

LEVEL = 0.05
"""Chance of any wrong "differs" among all rows together, if none differs."""
EACH_LOOK = 4
"""Each look at fewer seeds divides the level by this: all looks together stay below 0.067."""
FEWEST = 3
"""Fewest values of each of two rows for a verdict."""
ROUNDING = 1e-12
"""Relative to the values: a spread of their differences below this is rounding of numbers."""
POWER = 0.8

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A row less the control, over the seeds that both have.

    Args:
        row: The row.
        n: Number of such seeds.
        mean: Mean of the paired differences; NaN without one.
        low: Lower end of the interval; all intervals together hold the true values in 95 of 100
            studies. NaN if there is no verdict.
        high: Upper end.
        differs: Whether 0 is outside; None: no verdict.
        is_not_worse: Whether the row is shown to be worse by less than the margin; None: the study
            names none, or there is no verdict.
        refusal: Why there is no verdict; empty if there is one.
    """

    row: str
    n: int
    mean: float
    low: float = math.nan
    high: float = math.nan
    differs: bool | None = None
    is_not_worse: bool | None = None
    refusal: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """The mean of paired differences.

    Args:
        n: Pairs.
        mean: Mean difference; NaN without pairs.
        error: Its standard error; NaN without a verdict.
        low: Lower end of its interval; NaN without a verdict.
        high: Upper end.
        differs: Whether the interval leaves out 0; None: no verdict.
        refusal: Why there is no verdict; empty: there is one.
    """

    n: int
    mean: float
    error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    differs: bool | None = None
    refusal: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The rows of a matrix against its control, and all of them but the controls with each other.

    Args:
        control: The control's row.
        margin: A row that is worse by less than this counts as not worse, in the metric's unit (a
            fraction for errors and accuracies); None: the study names none.
        differences: One for each other row, in the matrix' order.
        same: Chance of ranks as different as these, if the rows other than controls are equal; NaN
            if it cannot be told.
        num_compared: How many rows `same` is about.
        smallest: Difference that so many seeds show in 4 of 5 studies; NaN without a spread.
        num_seeds: Seeds for half of that; 0 without a spread.
        luck: How much better than it is the best of as many equal rows looks; NaN without a
            spread.
        of_seeds: Share of the variance within rows that seeds have in common, from 0 to 1; NaN if
            it cannot be told.
        level: Chance of a wrong verdict that was allowed; below LEVEL after earlier looks.
        looks: The numbers of seeds at which verdicts were given before.
    """

    control: str
    margin: float | None
    differences: tuple[Difference, ...]
    same: float
    num_compared: int
    smallest: float
    num_seeds: int
    luck: float
    of_seeds: float
    level: float = LEVEL
    looks: tuple[int, ...] = ()


def compare(matrix: pd.DataFrame) -> Comparison | None:
    """Compares the rows of a matrix with the control that the study names; None: it names none.

    Two-sided paired t tests, and intervals, at 5 % for all rows together (Bonferroni). "Not worse"
    is a one-sided paired t test against the margin, at 5 % likewise. Whether the rows other than
    controls differ at all is one Friedman test with Iman and Davenport's F.

    There is no verdict on a row before all planned seeds of it and of the control are in, with
    fewer than three of them, or where all differences are the same. Seeds that were added after
    verdicts had been given lower the level.

    Args:
        matrix: The result of `result_matrix`.

    Source: Demsar 2006, JMLR 7, sec. 3.2.2 (Friedman, Iman and Davenport).
    """
    attrs = matrix.attrs
    control: str | None = attrs.get("control")
    if control is None or control not in matrix.index:
        return None
    values = dict(zip(map(str, matrix.index), cell_values(matrix), strict=True))
    others = [row for row in values if row != control]
    # Rows without a finished cell count as well: the level must not depend on what is in.
    waiting = [row for row in attrs.get("rows", ()) if row not in values]
    planned, margin = int(attrs["planned"]), attrs["margin"]
    if margin is not None and is_share(str(attrs["metric"])):
        margin /= 100
    sign = 1.0 if attrs["better"] == "lower" else -1.0
    looks = tuple(attrs.get("looks", ()))
    overall = LEVEL / EACH_LOOK ** len(looks)
    level = overall / max(len(others) + len(waiting), 1)
    differences = tuple(
        _difference(row, values[row], values[control], planned, margin, sign, level)
        for row in others
    )
    free = [row for row in values if row not in attrs["controls"]]
    blocks = np.array([values[row] for row in free])
    late = [row for row in waiting if row not in attrs["controls"]]
    spread = _typical([_spread_of_pairs(values[row], values[control]) for row in others])
    size = _detectable(planned, level)
    return Comparison(
        control=control,
        margin=margin,
        differences=differences,
        same=friedman(blocks) if _is_whole(blocks, planned) and not late else math.nan,
        num_compared=len(free) + len(late),
        smallest=size * spread,
        num_seeds=_seeds_for(size / 2, level) if spread > 0 else 0,
        luck=_typical([_spread(values[row]) for row in values])
        * _expected_best(len(values))
        / math.sqrt(planned),
        of_seeds=_of_seeds(np.array(list(values.values()))),
        level=overall,
        looks=looks,
    )


def _difference(
    row: str,
    own: Values,
    control: Values,
    planned: int,
    margin: float | None,
    sign: float,
    level: float,
) -> Difference:
    found = paired(own, control, planned=planned, level=level)
    is_not_worse = None
    if margin is not None and not found.refusal:
        one_sided = float(special.stdtrit(found.n - 1, 1 - level))
        is_not_worse = sign * found.mean + one_sided * found.error < margin
    return Difference(
        row=row,
        n=found.n,
        mean=found.mean,
        low=found.low,
        high=found.high,
        differs=found.differs,
        is_not_worse=is_not_worse,
        refusal=found.refusal,
    )


def paired(one: Values, other: Values, *, planned: int, level: float) -> Paired:
    """The mean of paired differences with its t interval, unless there is no verdict yet.

    Args:
        one: Values; NaN where no cell is finished.
        other: What they are paired with.
        planned: Pairs that are planned.
        level: Chance that the interval lacks the true mean, if the differences are normal.
    """
    both = ~(np.isnan(one) | np.isnan(other))
    pairs = one[both] - other[both]
    n = len(pairs)
    mean = float(pairs.mean()) if n else math.nan
    spread = _spread_of_pairs(one, other)
    refusal = ""
    if n < planned:
        refusal = f"{n} of {planned} seeds"
    elif n < FEWEST:
        refusal = f"{n} of at least {FEWEST} seeds"
    elif not spread > 0:
        refusal = "all differences are the same"
    if refusal:
        return Paired(n=n, mean=mean, refusal=refusal)
    error = spread / math.sqrt(n)
    half = float(special.stdtrit(n - 1, 1 - level / 2)) * error
    return Paired(
        n=n,
        mean=mean,
        error=error,
        low=mean - half,
        high=mean + half,
        differs=abs(mean) > half,
    )


def _spread_of_pairs(one: Values, other: Values) -> float:
    """Sample standard deviation of differences; 0 where they are equal but for rounding."""
    both = ~(np.isnan(one) | np.isnan(other))
    spread = _spread(one[both] - other[both])
    size = max(np.abs(one[both]).max(initial=0.0), np.abs(other[both]).max(initial=0.0))
    return 0.0 if spread <= ROUNDING * size else spread


def friedman(blocks: Values) -> float:
    """Returns the chance of rank sums as different as these, if all rows are equal.

    Args:
        blocks: (rows, seeds), without a gap; 3 rows and 3 seeds or more, else the result is NaN.
    """
    num_rows, num_seeds = blocks.shape
    if num_rows < 3 or num_seeds < FEWEST:
        return math.nan
    ranks = np.array([_ranks(column) for column in blocks.T])
    spread = float((ranks**2).sum()) - num_seeds * num_rows * (num_rows + 1) ** 2 / 4
    if not spread > 0:
        return math.nan
    sums = ranks.sum(0) - num_seeds * (num_rows + 1) / 2
    chi = (num_rows - 1) * float((sums**2).sum()) / spread
    rest = num_seeds * (num_rows - 1) - chi
    if rest <= 1e-9:
        return 0.0
    f = (num_seeds - 1) * chi / rest
    return float(special.fdtrc(num_rows - 1, (num_rows - 1) * (num_seeds - 1), f))


def _ranks(values: Values) -> Values:
    """Ranks from 1, the lowest first; equal values share their mean rank."""
    _, place, equal = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(equal) - (equal - 1) / 2)[place]
    return ranks


def _is_whole(blocks: Values, planned: int) -> bool:
    return bool(blocks.size) and blocks.shape[1] == planned and not bool(np.isnan(blocks).any())


def _spread(values: Values) -> float:
    """Sample standard deviation of what is there; NaN for fewer than two values."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else math.nan


def _typical(spreads: Sequence[float]) -> float:
    known = [spread for spread in spreads if not math.isnan(spread)]
    return float(np.median(known)) if known else math.nan


def _power(size: float, n: int, level: float) -> float:
    """Chance that n pairs show a true difference of so many standard deviations of one pair."""
    bound = special.stdtrit(n - 1, 1 - level / 2)
    return 1 - float(special.nctdtr(n - 1, size * math.sqrt(n), bound))


@lru_cache
def _detectable(n: int, level: float) -> float:
    """The difference, in standard deviations of a pair, that n pairs show with chance POWER."""
    if n < FEWEST:
        return math.nan
    low, high = 0.0, 1.0
    while _power(high, n, level) < POWER:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle, n, level) < POWER else (low, middle)
    return high


@lru_cache
def _seeds_for(size: float, level: float) -> int:
    """Fewest pairs that show a difference of so many standard deviations with chance POWER."""
    if math.isnan(size):
        return 0
    low, high = FEWEST - 1, FEWEST
    while _power(size, high, level) < POWER:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _power(size, middle, level) < POWER else (low, middle)
    return high


@lru_cache
def _expected_best(num: int) -> float:
    """Mean of the largest of so many standard normal values."""
    x = np.linspace(-8, 8, 4001)
    density: Any = (
        num * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * special.ndtr(x) ** (num - 1)
    )
    return float(np.trapezoid(x * density, x))


def _of_seeds(values: Values) -> float:
    """Intraclass correlation of rows' values by seed, after each row's mean is taken away."""
    whole = values[:, ~np.isnan(values).any(0)] if values.size else values
    num_rows, num_seeds = whole.shape
    if num_rows < 2 or num_seeds < FEWEST:
        return math.nan
    centred = whole - whole.mean(1, keepdims=True)
    of_seed = centred.mean(0)
    between = num_rows * float((of_seed**2).sum()) / (num_seeds - 1)
    within = float(((centred - of_seed) ** 2).sum()) / ((num_rows - 1) * (num_seeds - 1))
    whole_spread = between + (num_rows - 1) * within
    return max(0.0, (between - within) / whole_spread) if whole_spread > 0 else math.nan
