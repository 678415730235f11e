"""What can be known of a network before it is trained: its layers, and what it takes and gives."""

from functools import lru_cache

import torch
from torch import Tensor, nn

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
    # `to_empty` would load the compiler, too.
    for module in meta.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            zeros = torch.zeros(parameter.shape, dtype=parameter.dtype)
            setattr(module, name, nn.Parameter(zeros))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.zeros(buffer.shape, dtype=buffer.dtype))
    return meta


@lru_cache(maxsize=256)
def shared_model(model: Component) -> nn.Module:
    """The model on the meta device, for looks alone: a large one takes a while to make.

    Raises:
        SpecError: If the model refuses its options.
    """
    return model_on_meta(model)


@lru_cache(maxsize=256)
def model_layers(model: Component) -> tuple[str, ...]:
    """Names of the model's layers in forward order.

    Raises:
        SpecError: If the model refuses its options.
    """
    return weight_layers(shared_model(model))


@lru_cache(maxsize=256)
def model_places(model: Component) -> tuple[str, ...]:
    """Names of the modules whose input an activation function makes.

    Raises:
        SpecError: If the model refuses its options.
    """
    return activated_modules(shared_model(model))


@lru_cache(maxsize=256)
def fit_faults(model: Component, data: Component) -> tuple[Fault, ...]:
    """Whether the model takes the images of a data set and tells its classes apart."""
    try:
        facts = SOURCES[data.name].facts(data.options)
    except SpecError:
        # A fault of the data set alone, and told there.
        return ()
    shape = "x".join(str(size) for size in facts.shape)
    try:
        num_outputs = _num_outputs(model, facts.shape)
    except SpecError as error:
        return error.faults
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        what = f"does not take the {shape} images of data set '{data.name}' ({reason})"
        return (Fault("", what),)
    if num_outputs not in (None, facts.num_classes):
        num = facts.num_classes
        what = f"gives {num_outputs} outputs, but '{data.name}' has {num} classes"
        return (Fault("", what),)
    return ()


def _num_outputs(model: Component, shape: tuple[int, int, int]) -> int | None:
    """Outputs for images of that shape; None: more than classes, as published.

    Raises:
        SpecError: If the model refuses its options, or is too large.
        RuntimeError: What torch says to images that it does not take.
    """
    shared = shared_model(model)
    takes = getattr(shared, "takes", None)
    if takes is not None:
        # Large networks would take seconds to compute two images.
        if any(size not in (None, given) for size, given in zip(takes, shape, strict=True)):
            wanted = "x".join("any" if size is None else str(size) for size in takes)
            raise RuntimeError(f"it takes {wanted}")
        last = shared.get_submodule(model_layers(model)[-1])
        assert isinstance(last, nn.Linear | nn.Conv2d)
        num = last.out_features if isinstance(last, nn.Linear) else last.out_channels
        return None if getattr(shared, "has_idle_outputs", False) else num
    with torch.no_grad():
        logits: Tensor = blank_model(model)(torch.zeros(2, *shape))
    return logits.shape[-1]
