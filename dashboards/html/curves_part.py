"""Learning curves: a panel for each row, a thin line for each of its cells."""

import math
from collections.abc import Mapping, Sequence

from dashboards.curves import Curve
from dashboards.html.charts import Chart
from dashboards.html.line_charts import curves_chart
from dashboards.html.tables import Table, line
from dashboards.report import shown, unit

MOST_LINES = 24
"""Most lines of a table of numbers; of more epochs, some are left out."""


def curves_part(
    rows: Mapping[str, Mapping[str, Curve]],
    switches: Mapping[str, Sequence[tuple[int, str]]],
    *,
    metric: str,
) -> list[Chart]:
    """A chart for each row.

    Args:
        rows: Row to the curve of each of its cells, by a name such as the seed.
        switches: Row to the epochs at which its layers turned binary.
        metric: The curves' name.
    """
    values = [
        value
        for curves in rows.values()
        for curve in curves.values()
        for _, value in curve
        if math.isfinite(value)
    ]
    top = max(values, default=1.0)
    return [
        Chart(
            key=f"curve-{number}",
            title=row,
            spec=curves_chart(
                curves,
                switches.get(row, ()),
                metric=metric,
                top=top,
                description=f"{metric} of {row} by epoch",
            ),
            numbers=_numbers(row, curves, switches.get(row, ()), metric),
        )
        for number, (row, curves) in enumerate(rows.items(), start=1)
        if any(curves.values())
    ]


def _numbers(
    row: str, curves: Mapping[str, Curve], switches: Sequence[tuple[int, str]], metric: str
) -> Table:
    by_name = {name: dict(curve) for name, curve in curves.items()}
    epochs = sorted({epoch for curve in by_name.values() for epoch in curve})
    turned: dict[int, list[str]] = {}
    for epoch, layer in switches:
        turned.setdefault(epoch, []).append(layer)
    step = math.ceil(len(epochs) / MOST_LINES)
    kept = [
        epoch
        for place, epoch in enumerate(epochs)
        if place % step == 0 or epoch == epochs[-1] or epoch in turned
    ]
    return Table(
        caption=f"{row}: {metric}{unit(metric)} by epoch",
        head=["epoch", *by_name, "turned binary"],
        lines=[
            line(
                str(epoch + 1),
                *(shown(curve.get(epoch, math.nan), metric) for curve in by_name.values()),
                ", ".join(turned.get(epoch, ())),
            )
            for epoch in kept
        ],
        words=frozenset({len(by_name) + 1}),
    )
