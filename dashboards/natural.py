"""Sorts names with numbers in them as people count."""

import re

_PARTS = re.compile(r"\d+(?:\.\d+)?|\D+")


def natural(text: str) -> list[tuple[int, float, str]]:
    """A sort key that orders numbers inside names by size: seed 2 before seed 10.

    Args:
        text: The name.
    """
    return [
        (0, float(part), "") if part[0].isdecimal() else (1, 0.0, part)
        for part in _PARTS.findall(text)
    ]
