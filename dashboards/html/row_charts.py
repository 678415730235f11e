"""Charts with a line for each row of a matrix: seeds, differences, fields of values."""

import math
from collections.abc import Mapping, Sequence

from dashboards.comparison import Comparison, Difference
from dashboards.html.charts import BLUE, GREY, ORANGE, TEXT, Spec, scaled
from dashboards.report import is_share, unit

ROW_STEP = 24
"""Height of a row of a chart in pixels."""


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
