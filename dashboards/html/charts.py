"""What charts have in common: Vega-Lite as plain values, each with its numbers as a table.

Colours tell nothing alone, and are those of Okabe and Ito, which all readers tell apart. Lines
and letters take the colour of the text around, so that charts follow dark pages and print.
"""

import math
from dataclasses import dataclass
from typing import Any

from dashboards.html.tables import Table
from dashboards.report import is_share

Spec = dict[str, Any]

BLUE, ORANGE, GREY = "#2b8cc9", "#d55e00", "#8a8a8a"
TEXT = "currentColor"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A chart and what stands around it.

    Args:
        key: Its name on the page; letters, digits and hyphens.
        title: What it shows; empty: what stands above it says so.
        spec: The specification of Vega-Lite.
        numbers: The same as a table; None: a table beside it has them.
    """

    key: str
    title: str
    spec: Spec
    numbers: Table | None = None


def scaled(value: float, metric: str) -> float | None:
    """A value as charts show it, shares in percent; None for NaN."""
    if not math.isfinite(value):
        return None
    return round(100 * value, 4) if is_share(metric) else float(f"{value:.6g}")
