"""Charts of lines: learning curves with their switches, and series over anything else."""

import math
from collections.abc import Mapping, Sequence

from dashboards.html.charts import BLUE, GREY, ORANGE, TEXT, Spec, scaled
from dashboards.report import is_share, unit

SERIES = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
"""Colours of lines."""
MOST_SERIES = 40
"""Most series in a legend."""
PANEL_HEIGHT = 150


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


def _few(layers: Sequence[str]) -> str:
    return ", ".join(layers) if len(layers) <= 2 else f"{layers[0]} and {len(layers) - 1} more"
