"""A curve in one line of text."""

import math
from collections.abc import Sequence
from itertools import pairwise

LEVELS = "▁▂▃▄▅▆▇█"
PLAIN_LEVELS = "_.-:=+*#"


def sparkline(
    values: Sequence[float], *, low: float, high: float, width: int = 40, plain: bool = False
) -> str:
    """A letter for each part of a curve: its mean, between the lowest and the highest.

    Args:
        values: The curve; NaN leaves a blank.
        low: The value of the lowest letter; several curves share it, to be compared.
        high: The value of the highest letter.
        width: Most letters.
        plain: Use ASCII alone.
    """
    levels = PLAIN_LEVELS if plain else LEVELS
    count = min(width, len(values))
    edges = [number * len(values) // count for number in range(count + 1)] if count else [0]
    parts = [values[first:last] for first, last in pairwise(edges)]
    return "".join(_letter(part, levels, low, high) for part in parts)


def is_encodable(text: str, encoding: str) -> bool:
    """Whether an output of this encoding can show all letters of a text."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _letter(part: Sequence[float], levels: str, low: float, high: float) -> str:
    known = [value for value in part if math.isfinite(value)]
    if not known:
        return " "
    share = (sum(known) / len(known) - low) / (high - low) if high > low else 0.0
    return levels[min(len(levels) - 1, max(0, int(share * len(levels))))]
