"""Mean, spread and best of a few values."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the values of one row.

    Args:
        mean: Arithmetic mean; NaN without a value.
        std: Sample standard deviation (n - 1); NaN for fewer than two values.
        n: How many.
        best: The lowest or highest.
    """

    mean: float
    std: float
    n: int
    best: float


def summarise(values: Sequence[float], *, better: Better) -> Summary:
    """The summary of values; NaN among them counts as missing."""
    known = [value for value in values if not math.isnan(value)]
    return Summary(
        mean=statistics.fmean(known) if known else math.nan,
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
        n=len(known),
        best=(min(known) if better == "lower" else max(known)) if known else math.nan,
    )
