"""Draws what binary inputs lose as an SVG picture, which MLflow's pages show; pure text."""

import math
from collections.abc import Collection, Mapping
from html import escape

from trainers.engine.layer_errors import LayerErrors

ROW, BAR, GAP, TOP, EDGE = 18, 240, 70, 96, 12
"""Pixels: height of a row, longest bar, room right of a bar, height above the rows, margin."""
LETTER = 7
"""Pixels of the widest usual letter of a name."""
BINARY, REAL = "#4878a8", "#e08214"
TITLE = "What binary inputs lose"
TITLES = {"rmse": "RMSE", "normalized_rmse": "normalized RMSE", "one_minus_w2": "1 - W²"}


def layer_bars(errors: Mapping[str, LayerErrors], real: Collection[str], *, of: str) -> str:
    """One bar chart for each measure, side by side, a bar for each layer from top to bottom.

    Args:
        errors: What each binary input loses, in layer order.
        real: The layers whose inputs are proposed to stay real; their bars have another colour.
        of: Which network this is; stands below the title.
    """
    names = EDGE + LETTER * max(map(len, errors)) + 8
    charts = names + len(TITLES) * (BAR + GAP)
    width = max(charts, EDGE + LETTER * len(of)) + EDGE
    height = TOP + ROW * len(errors) + EDGE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(EDGE, 22, TITLE, weight="bold"),
        _text(EDGE, 40, of),
    ]
    if real:
        lines += [
            _bar(EDGE, 50, 10, REAL, ""),
            _text(EDGE + 16, 61, "proposed to stay real"),
            _bar(EDGE + 170, 50, 10, BINARY, ""),
            _text(EDGE + 186, 61, "binary"),
        ]
    for row, layer in enumerate(errors):
        lines.append(_text(names - 8, _baseline(row), layer, anchor="end"))
    for number, (measure, heading) in enumerate(TITLES.items()):
        left = names + number * (BAR + GAP)
        lines.append(_text(left, TOP - 6, heading, weight="bold"))
        values = {layer: getattr(error, measure) for layer, error in errors.items()}
        longest = max([value for value in values.values() if math.isfinite(value)], default=0.0)
        for row, (layer, value) in enumerate(values.items()):
            length = BAR * value / longest if longest and math.isfinite(value) else 0.0
            colour = REAL if layer in real else BINARY
            lines.append(_bar(left, TOP + ROW * row + 2, length, colour, f"{layer}: {value:.6g}"))
            lines.append(_text(round(left + length + 4), _baseline(row), f"{value:#.3g}"))
    return "\n".join([*lines, "</svg>\n"])


def _baseline(row: int) -> int:
    return TOP + ROW * row + 13


def _bar(x: int, y: int, length: float, colour: str, tip: str) -> str:
    height = ROW - 5
    shape = f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{height}" fill="{colour}">'
    return f"{shape}{f'<title>{escape(tip)}</title>' if tip else ''}</rect>"


def _text(x: int, y: int, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'
