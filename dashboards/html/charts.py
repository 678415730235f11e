"""Chart specifications of Vega-Lite, as plain values; each with the numbers behind it as a table.

Colours tell nothing alone, and are those of Okabe and Ito, which all readers tell apart. Lines
and letters take the colour of the text around, so that charts follow dark pages and print.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.comparison import Comparison, Difference
from dashboards.html.tables import Table
from dashboards.report import is_share, unit

Spec = dict[str, Any]

BLUE, ORANGE, GREY = "#2b8cc9", "#d55e00", "#8a8a8a"
TEXT = "currentColor"
SERIES = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
"""Colours of lines."""
MOST_SERIES = 40
"""Most series in a legend."""
ROW_STEP = 24
"""Height of a row of a chart in pixels."""
PANEL_HEIGHT = 150


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


def seeds_chart(
    rows: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float, float]],
    *,
    axis: str,
    metric: str,
) -> Spec:
    """Each value a dot, a tick at the mean, a line for its interval; a line of dots for each row.

    Args:
        rows: Row to its values; NaN is left out.
        intervals: Row to mean, lower and upper end; NaN is left out.
        axis: The name of the rows' axis.
        metric: What the values are.
    """
    dots = [
        {"row": row, "value": scaled(value, metric), "shift": shift}
        for row, values in rows.items()
        for value, shift in _dodged([value for value in values if math.isfinite(value)])
    ]
    marks = [
        dict(zip(("row", "mean", "low", "high"), [row, *_each(ends, metric)], strict=True))
        for row, ends in intervals.items()
        if math.isfinite(ends[0])
    ]
    y = _row_axis(list(rows), axis)
    x = {"type": "quantitative", "title": f"{metric}{unit(metric)}", "scale": {"zero": False}}
    return {
        **_sized(len(rows)),
        "description": f"{metric} of each row: every value a dot, the mean a tick",
        "layer": [
            *_intervals(marks, x, y),
            {
                "data": {"values": marks},
                "mark": {"type": "tick", "color": TEXT, "thickness": 3, "size": 16},
                "encoding": {"y": y, "x": {**x, "field": "mean"}},
            },
            {
                "data": {"values": dots},
                "mark": {"type": "point", "filled": True, "color": BLUE, "size": 34},
                "encoding": {
                    "y": y,
                    "yOffset": {
                        "field": "shift",
                        "type": "quantitative",
                        "scale": {"domain": [-4, 4]},
                    },
                    "x": {**x, "field": "value"},
                },
            },
        ],
    }


def differences_chart(
    found: Comparison, shown: Sequence[Difference], *, axis: str, metric: str
) -> Spec:
    """Each row less the control, with the intervals that hold for all rows together.

    Args:
        found: The whole comparison.
        shown: The rows to show.
        axis: The name of the rows' axis.
        metric: What the values are.
    """
    points = [
        {
            "row": one.row,
            "mean": scaled(one.mean, metric),
            "low": scaled(one.low, metric),
            "high": scaled(one.high, metric),
            "verdict": _VERDICTS[one.differs],
        }
        for one in shown
        if math.isfinite(one.mean)
    ]
    y = _row_axis([one.row for one in shown], axis)
    title = f"{metric} minus {found.control}{unit(metric)}"
    x = {"type": "quantitative", "title": title}
    told = {"domain": list(_VERDICTS.values())}
    lines: list[Spec] = [{"at": 0.0}]
    return {
        **_sized(len(shown)),
        "description": f"Differences of rows from {found.control}, with intervals",
        "layer": [
            {
                "data": {"values": lines},
                "mark": {"type": "rule", "color": TEXT, "strokeDash": [3, 3]},
                "encoding": {"x": {**x, "field": "at"}},
            },
            *_intervals(points, x, y),
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 80},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "mean"},
                    "color": {
                        "field": "verdict",
                        "title": None,
                        "scale": {**told, "range": [ORANGE, BLUE, GREY]},
                        "legend": {"orient": "bottom"},
                    },
                    "shape": {
                        "field": "verdict",
                        "title": None,
                        "scale": {**told, "range": ["diamond", "circle", "cross"]},
                    },
                },
            },
        ],
    }


_VERDICTS: Mapping[bool | None, str] = {True: "differs", False: "cannot tell", None: "no verdict"}


def curves_chart(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    switches: Sequence[tuple[int, str]],
    *,
    metric: str,
    top: float,
    description: str,
) -> Spec:
    """Thin lines, one for each curve, a thick one for their mean, and where layers turned binary.

    Args:
        curves: Name, such as a seed, to points.
        switches: Epochs and layers; what switches in one epoch shares a mark.
        metric: What the curves are.
        top: The largest value of all panels, so that they can be compared.
        description: For those who do not see the chart.
    """
    points = [
        {"epoch": epoch + 1, "value": scaled(value, metric), "curve": name}
        for name, curve in curves.items()
        for epoch, value in curve
        if math.isfinite(value)
    ]
    at: dict[int, list[str]] = {}
    for epoch, layer in switches:
        at.setdefault(epoch, []).append(layer)
    marks = [{"epoch": epoch + 1, "layers": _few(layers)} for epoch, layers in at.items()]
    # A logarithm would die of an error of 0.
    scale: Spec = {"zero": False}
    if is_share(metric):
        scale = {"type": "sqrt", "domain": [0, scaled(top, metric) or 1], "nice": True}
    x = {"field": "epoch", "type": "quantitative", "title": "epoch", "axis": {"tickMinStep": 1}}
    y: Spec = {"type": "quantitative", "title": f"{metric}{unit(metric)}", "scale": scale}
    data = {"values": points}
    layers: list[Spec] = [
        {
            "data": data,
            "mark": {"type": "line", "color": BLUE, **(_THIN if len(curves) > 1 else {})},
            "encoding": {"x": x, "y": {**y, "field": "value"}, "detail": {"field": "curve"}},
        }
    ]
    if len(curves) > 1:
        layers.append(
            {
                "data": data,
                "mark": {"type": "line", "strokeWidth": 2.5, "color": TEXT},
                "encoding": {"x": x, "y": {**y, "field": "value", "aggregate": "mean"}},
            }
        )
    if marks:
        layers += _switch_marks(marks, x)
    return {"width": "container", "height": PANEL_HEIGHT, "description": description} | {
        "layer": layers
    }


_THIN: Spec = {"strokeWidth": 1, "opacity": 0.55}


def _switch_marks(marks: list[Spec], x: Spec) -> list[Spec]:
    data = {"values": marks}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": ORANGE},
            "encoding": {"x": x},
        },
        {
            "data": data,
            "mark": {
                "type": "text",
                "align": "left",
                "dx": 3,
                "y": 8,
                "fontSize": 10,
                "color": TEXT,
            },
            "encoding": {"x": x, "text": {"field": "layers"}},
        },
    ]


def heat_map(
    values: Mapping[str, Mapping[str, float]], *, rows: str, columns: str, metric: str
) -> Spec:
    """A coloured field for each pair of a row and a column, with its value written in it.

    Args:
        values: Row to column to value; NaN is left empty.
        rows: What the rows are.
        columns: What the columns are.
        metric: What the values are.
    """
    fields = [
        {"row": row, "column": column, "value": scaled(value, metric)}
        for row, line in values.items()
        for column, value in line.items()
        if math.isfinite(value)
    ]
    known = [
        100 * value if is_share(metric) else value
        for row in values.values()
        for value in row.values()
        if math.isfinite(value)
    ]
    middle = (min(known) + max(known)) / 2 if known else 0
    names = list(dict.fromkeys(column for line in values.values() for column in line))
    shared = {
        "y": _row_axis(list(values), rows),
        "x": {
            "field": "column",
            "type": "nominal",
            "sort": names,
            "title": columns,
            "axis": {"labelAngle": 0},
        },
    }
    # The values are written in the fields.
    colour = {
        "field": "value",
        "type": "quantitative",
        "scale": {"scheme": "cividis", "zero": False},
        "legend": None,
    }
    letters = {"condition": {"test": f"datum.value > {middle}", "value": "#000"}, "value": "#fff"}
    text = {"field": "value", "type": "quantitative", "format": ".2f"}
    return {
        **_sized(len(values)),
        "description": f"{metric} by {rows} and {columns}",
        "data": {"values": fields},
        "layer": [
            {"mark": "rect", "encoding": {**shared, "color": colour}},
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {**shared, "text": text, "color": letters},
            },
        ],
    }


def _sized(num_rows: int) -> Spec:
    return {"width": "container", "height": ROW_STEP * max(1, num_rows)}


def _row_axis(rows: Sequence[str], axis: str) -> Spec:
    return {
        "field": "row",
        "type": "nominal",
        "sort": list(rows),
        "title": axis,
        "scale": {"domain": list(rows)},
        "axis": {"labelLimit": 160},
    }


def _intervals(marks: Sequence[Spec], x: Spec, y: Spec) -> list[Spec]:
    """A layer with a line from low to high; none without an interval, of which Vega complains."""
    known = [mark for mark in marks if mark["low"] is not None]
    layer = {
        "data": {"values": known},
        "mark": {"type": "rule", "color": GREY, "strokeWidth": 2},
        "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
    }
    return [layer] if known else []


def _dodged(values: Sequence[float]) -> list[tuple[float, int]]:
    """Each value with a place above or below the line; equal values do not hide each other."""
    seen: dict[float, int] = {}
    places = []
    for value in values:
        num = seen[value] = seen.get(value, -1) + 1
        places.append((value, (num + 1) // 2 * (1 if num % 2 else -1)))
    return places


def _each(values: Sequence[float], metric: str) -> list[float | None]:
    return [scaled(value, metric) for value in values]


def _few(layers: Sequence[str]) -> str:
    return ", ".join(layers) if len(layers) <= 2 else f"{layers[0]} and {len(layers) - 1} more"


def lines_chart(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    metric: str,
    name: str,
    is_log: bool = False,
) -> Spec:
    """A line for each series; series differ by colour and by the shape of their points.

    Args:
        lines: Series to points: place and value; NaN is left out.
        x: What the places are.
        metric: What the values are.
        name: What the series are.
        is_log: Whether places grow by factors; all are above 0.
    """
    points = [
        {"at": at, "value": scaled(value, metric), "line": line}
        for line, curve in lines.items()
        for at, value in curve
        if math.isfinite(value)
    ]
    series: Spec = {"field": "line", "type": "nominal", "title": name, "sort": list(lines)}
    legend = {"orient": "bottom", "columns": 4, "symbolLimit": MOST_SERIES}
    return {
        "width": "container",
        "height": 2 * PANEL_HEIGHT,
        "description": f"{metric} by {x}, a line for each {name}",
        "data": {"values": points},
        "mark": {"type": "line", "point": {"size": 40}},
        "encoding": {
            "x": {
                "field": "at",
                "type": "quantitative",
                "title": x,
                "axis": {"format": "~g"},
                "scale": {"type": "log"} if is_log else {"zero": False},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": f"{metric}{unit(metric)}",
                "scale": {"zero": False},
            },
            "color": {**series, "scale": {"range": list(SERIES)}, "legend": legend},
            "shape": {**series, "legend": legend},
        },
    }
