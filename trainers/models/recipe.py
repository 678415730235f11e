"""Remembers a network's name and options, so that an exported file can say how to rebuild it."""

from collections.abc import Mapping

from torch import nn

_ATTRIBUTE = "made_from"


def remember(model: nn.Module, recipe: Mapping[str, object]) -> None:
    """Stores on a model the name and the options it was built from."""
    # Bypasses torch's `__setattr__`, which handles tensors and modules. Copies keep the note.
    vars(model)[_ATTRIBUTE] = dict(recipe)


def recipe_of(model: nn.Module) -> dict[str, object] | None:
    """Returns the name and the options of a model in one dict; None if nobody stored them."""
    noted: dict[str, object] | None = vars(model).get(_ATTRIBUTE)
    return noted
