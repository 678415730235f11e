"""What charts have in common."""

import math

from dashboards.html.charts import scaled

ERROR = "selected/test_error"


def test_shares_are_shown_in_percent_and_other_values_as_they_are() -> None:
    assert scaled(0.0125, ERROR) == 1.25
    assert scaled(0.0125, "train/loss") == 0.0125
    assert scaled(math.nan, ERROR) is None
    assert scaled(math.inf, "train/loss") is None
