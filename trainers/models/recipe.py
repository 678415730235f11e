"""What a network was made with, so that a file can say how to make it again."""

from collections.abc import Mapping

from torch import nn

_ATTRIBUTE = "made_from"


def remember(model: nn.Module, name: str, options: Mapping[str, object]) -> None:
    """Notes on a model by which name and with which options it was made."""
    # Torch's own setter is for tensors and modules; copies of the model take the note along.
    vars(model)[_ATTRIBUTE] = {"name": name, **options}


def recipe_of(model: nn.Module) -> dict[str, object] | None:
    """Name and options of a model side by side; None if nobody noted them."""
    noted: dict[str, object] | None = vars(model).get(_ATTRIBUTE)
    return noted
