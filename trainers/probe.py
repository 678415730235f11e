"""What can be known of a network before it is trained: its layers, and what it takes and gives."""

from functools import lru_cache

import torch
from torch import nn

from trainers.binarize.attach import activated_modules, weight_layers
from trainers.binding import Component
from trainers.data import SOURCES
from trainers.errors import Fault, SpecError
from trainers.models import MODELS

MOST_PARAMETERS = 300_000_000
"""A slip in a width must not take the machine's memory while a study is checked."""


def model_on_meta(model: Component) -> nn.Module:
    """The model without memory for its weights: shapes and names only.

    Raises:
        SpecError: If the model refuses its options.
    """
    try:
        with torch.device("meta"):
            return MODELS[model.name](**model.options)
    # What torch says to sizes that no tensor can have.
    except (RuntimeError, TypeError, OverflowError) as error:
        raise SpecError(f"cannot be made ({str(error).splitlines()[0]})") from error


@torch.no_grad()
def blank_model(model: Component) -> nn.Module:
    """The model with weights of zero: for a forward pass that only shapes matter of.

    One on the meta device would make torch load its compiler first, for longer than most models
    take to compute two images.

    Raises:
        SpecError: If the model refuses its options, or is too large.
    """
    meta = model_on_meta(model)
    size = sum(parameter.numel() for parameter in meta.parameters())
    if size > MOST_PARAMETERS:
        raise SpecError(f"has {size:,} parameters; {MOST_PARAMETERS:,} is the most")
    blank = meta.to_empty(device="cpu")
    for tensor in blank.state_dict().values():
        tensor.zero_()
    return blank


@lru_cache(maxsize=64)
def model_layers(model: Component) -> tuple[str, ...]:
    """Names of the model's layers in forward order.

    Raises:
        SpecError: If the model refuses its options.
    """
    return weight_layers(model_on_meta(model))


@lru_cache(maxsize=64)
def model_places(model: Component) -> tuple[str, ...]:
    """Names of the modules whose input an activation function makes.

    Raises:
        SpecError: If the model refuses its options.
    """
    return activated_modules(model_on_meta(model))


@lru_cache(maxsize=64)
def fit_faults(model: Component, data: Component) -> tuple[Fault, ...]:
    """Whether the model takes the images of a data set and tells its classes apart."""
    try:
        facts = SOURCES[data.name].facts(data.options)
    except SpecError:
        # A fault of the data set alone, and told there.
        return ()
    shape = "x".join(str(size) for size in facts.shape)
    try:
        blank = blank_model(model)
        # Large images would take seconds, and tell no more of a network that takes any size.
        most = getattr(blank, "probe_size", max(facts.shape))
        channels, *sides = facts.shape
        with torch.no_grad():
            logits = blank(torch.zeros(2, channels, *(min(side, most) for side in sides)))
    except SpecError as error:
        return error.faults
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        what = f"does not take the {shape} images of data set '{data.name}' ({reason})"
        return (Fault("", what),)
    if getattr(blank, "has_idle_outputs", False) and logits.shape[1] > facts.num_classes:
        return ()
    if logits.shape != (2, facts.num_classes):
        num = facts.num_classes
        what = f"gives {logits.shape[-1]} outputs, but '{data.name}' has {num} classes"
        return (Fault("", what),)
    return ()
