"""What a value of an axis sets, and what it needs to know of the base trial."""

from collections.abc import Mapping
from dataclasses import dataclass

Value = Mapping[str, object]
"""Maps key paths below the base trial to the values they get."""


@dataclass(frozen=True, slots=True)
class Base:
    """What an axis needs from the base trial: its layers and its named orders."""

    layers: tuple[str, ...]
    network: str | None
    orders: Mapping[str, tuple[int, ...]]
