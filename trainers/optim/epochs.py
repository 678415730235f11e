"""Marks options that count epochs, and shrinks them together with a trial."""

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from trainers.binding import Value, options_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Epochs:
    """Marks an option, or the items of a list, that counts epochs: `Annotated[int, Epochs()]`.

    Args:
        distinct: For a list: items that become equal by shrinking are merged.
        paired: Name of another list option with one item for each of these; if that one is given,
            nothing is merged.
        is_within: The number stays below the trial's number of epochs.
        early: Name of a flag option that moves everything one epoch earlier; then the least number
            is 2.
        unless: Name of another option; if that one is given, this one has no effect and is
            dropped.
    """

    distinct: bool = False
    paired: str = ""
    is_within: bool = False
    early: str = ""
    unless: str = ""


Warmup = Annotated[int, Epochs(is_within=True)]
"""Epochs over which the learning rate rises."""


def shrunk(
    entry: Callable[..., object],
    options: Mapping[str, Value],
    factor: Callable[[int], int],
    *,
    epochs: int,
) -> dict[str, Value]:
    """Returns a policy's options with `factor` applied to every number of epochs.

    The result contains options that count epochs even if they had their default.

    Args:
        entry: The policy.
        options: The options given to it.
        factor: Maps a number of epochs to the shrunk number, 1 or more.
        epochs: Number of epochs of the shrunk trial.
    """
    marked = epoch_options(entry)
    # Defaults count epochs too, so they shrink as well.
    defaults = {name: options_of(entry)[name].default for name in marked}
    whole = {name: value for name, value in defaults.items() if value} | dict(options)
    result: dict[str, Value] = {}
    for name, value in whole.items():
        mark = marked.get(name)
        if mark is None:
            result[name] = value
        elif not (mark.unless and whole.get(mark.unless) is not None):
            # The rate of the first epoch must not change.
            least = 2 if whole.get(mark.early) else 1
            merges = mark.distinct and whole.get(mark.paired) is None
            result[name] = _shrunk(value, mark, factor, least=least, epochs=epochs, merges=merges)
    return result


@lru_cache(maxsize=64)
def epoch_options(entry: Callable[..., object]) -> dict[str, Epochs]:
    """Returns the options of a policy that count epochs, with their marks."""
    hints = typing.get_type_hints(entry, include_extras=True)
    return {
        name: mark
        for name in options_of(entry)
        for mark in getattr(hints.get(name), "__metadata__", ())
        if isinstance(mark, Epochs)
    }


def _shrunk(
    value: Value,
    mark: Epochs,
    factor: Callable[[int], int],
    *,
    least: int,
    epochs: int,
    merges: bool,
) -> Value:
    def one(number: int) -> int:
        return max(factor(number), least)

    if isinstance(value, tuple):
        items = [one(item) for item in value if isinstance(item, int)]
        return tuple(sorted(set(items))) if merges else tuple(items)
    if not isinstance(value, int) or not value:
        return value
    return min(one(value), epochs - 1) if mark.is_within else one(value)
