"""Mean, spread and best of a list of values."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The statistics of one row's values.

    Args:
        mean: Arithmetic mean; NaN without a value.
        std: Sample standard deviation (n - 1); NaN for fewer than two values.
        n: Number of values.
        best: The lowest or highest value.
    """

    mean: float
    std: float
    n: int
    best: float


def summarise(values: Sequence[float], *, better: Better) -> Summary:
    """Computes the summary of values; NaN counts as missing."""
    known = _known(values)
    return Summary(
        mean=mean_of(known),
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
        n=len(known),
        best=(min(known) if better == "lower" else max(known)) if known else math.nan,
    )


def mean_of(values: Iterable[float]) -> float:
    """The arithmetic mean alone; NaN counts as missing, and is the mean of nothing."""
    known = _known(values)
    return statistics.fmean(known) if known else math.nan


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
