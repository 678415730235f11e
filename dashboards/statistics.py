"""Mean, spread and best of a list of values."""

import math
import statistics
from collections.abc import Sequence
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
    known = [value for value in values if not math.isnan(value)]
    return Summary(
        mean=statistics.fmean(known) if known else math.nan,
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
        n=len(known),
        best=(min(known) if better == "lower" else max(known)) if known else math.nan,
    )
