"""Inspects a network without training it: its layers, input shape and number of outputs."""

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor, nn

from trainers.binarize.attach import activated_modules, weight_layers
from trainers.binding import Component
from trainers.data import SOURCES
from trainers.errors import Fault, SpecError
from trainers.models import MODELS
from trainers.models.forms import images_of

MOST_PARAMETERS = 300_000_000
"""Limit, so that a typo in a width does not exhaust memory while a study is checked."""


def model_on_meta(model: Component) -> nn.Module:
    """Builds the model on the meta device: shapes and names, without memory for weights.

    Raises:
        SpecError: If the model rejects its options.
    """
    try:
        with torch.device("meta"):
            return MODELS[model.name](**model.options)
    # Torch raises these errors for sizes that no tensor can have.
    except (RuntimeError, TypeError, OverflowError) as error:
        raise SpecError(f"cannot be made ({str(error).splitlines()[0]})") from error


@torch.no_grad()
def blank_model(model: Component) -> nn.Module:
    """Builds the model with zero weights, for a forward pass that only checks shapes.

    On the meta device torch would first load its compiler, which takes longer than most models
    take to compute two images.

    Raises:
        SpecError: If the model rejects its options, or is too large.
    """
    meta = model_on_meta(model)
    size = sum(parameter.numel() for parameter in meta.parameters())
    if size > MOST_PARAMETERS:
        raise SpecError(f"has {size:,} parameters; {MOST_PARAMETERS:,} is the most")
    # `to_empty` would load the compiler too.
    for module in meta.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            zeros = torch.zeros(parameter.shape, dtype=parameter.dtype)
            setattr(module, name, nn.Parameter(zeros))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.zeros(buffer.shape, dtype=buffer.dtype))
    return meta


@lru_cache(maxsize=256)
def shared_model(model: Component) -> nn.Module:
    """Returns a cached model on the meta device, only to read: large models build slowly.

    Raises:
        SpecError: If the model rejects its options.
    """
    return model_on_meta(model)


@lru_cache(maxsize=256)
def model_layers(model: Component) -> tuple[str, ...]:
    """Returns the names of the model's layers in forward order.

    Raises:
        SpecError: If the model rejects its options.
    """
    return weight_layers(shared_model(model))


@lru_cache(maxsize=256)
def layer_shapes(model: Component) -> Mapping[str, tuple[int, ...]]:
    """Returns the shapes of the layers' weights, by name in forward order.

    Raises:
        SpecError: If the model rejects its options.
    """
    shared = shared_model(model)
    return {
        name: tuple(shared.get_parameter(f"{name}.weight").shape) for name in model_layers(model)
    }


@lru_cache(maxsize=256)
def module_names(model: Component) -> tuple[str, ...]:
    """Returns the names of all modules of the model in registration order.

    Raises:
        SpecError: If the model rejects its options.
    """
    return tuple(name for name, _ in shared_model(model).named_modules() if name)


@lru_cache(maxsize=256)
def conv_layers(model: Component) -> tuple[str, ...]:
    """Returns the names of the model's two-dimensional convolutions in registration order.

    Raises:
        SpecError: If the model rejects its options.
    """
    named = shared_model(model).named_modules()
    return tuple(name for name, module in named if isinstance(module, nn.Conv2d))


@lru_cache(maxsize=256)
def model_places(model: Component) -> tuple[str, ...]:
    """Returns the names of the modules whose input comes from an activation function.

    Raises:
        SpecError: If the model rejects its options.
    """
    return activated_modules(shared_model(model))


@lru_cache(maxsize=256)
def fit_faults(model: Component, data: Component) -> tuple[Fault, ...]:
    """Returns the faults if the model does not fit a data set's images or number of classes."""
    try:
        facts = SOURCES[data.name].facts(data.options)
    except SpecError:
        # The check of the data set reports this.
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
    """Returns the number of outputs; None: more than classes, as published.

    Raises:
        SpecError: If the model rejects its options, or is too large.
        RuntimeError: If the model does not accept images of this shape.
    """
    shared = shared_model(model)
    takes = getattr(shared, "takes", None)
    if takes is not None:
        # No forward pass: large networks would take seconds for two images.
        if any(size not in (None, given) for size, given in zip(takes, shape, strict=True)):
            raise RuntimeError(f"it takes {images_of(takes)}")
        last = shared.get_submodule(model_layers(model)[-1])
        assert isinstance(last, nn.Linear | nn.Conv2d)
        num = last.out_features if isinstance(last, nn.Linear) else last.out_channels
        return None if getattr(shared, "has_idle_outputs", False) else num
    with torch.no_grad():
        logits: Tensor = blank_model(model)(torch.zeros(2, *shape))
    return logits.shape[-1]


def has_normalisations(model: Component) -> bool:
    """Returns whether the model has batch normalisations.

    Raises:
        SpecError: If the model rejects its options.
    """
    kind = nn.modules.batchnorm._BatchNorm
    return any(isinstance(module, kind) for module in shared_model(model).modules())


@lru_cache(maxsize=256)
def normalises_single_values(model: Component, data: Component) -> bool:
    """Returns whether a normalisation sees one value a channel if a batch has one image.

    Torch refuses to train on that. Convolutions with more than one place in the image are fine.

    Raises:
        SpecError: If the model or the data set rejects its options, or the model is too large.
        RuntimeError: If the model does not accept the images.
    """
    if not has_normalisations(model):
        return False
    kind = nn.modules.batchnorm._BatchNorm
    found: list[bool] = []

    def look(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(given[0].numel() == given[0].shape[1])

    made = blank_model(model).eval()
    for module in made.modules():
        if isinstance(module, kind):
            module.register_forward_pre_hook(look)
    with torch.no_grad():
        made(torch.zeros(1, *SOURCES[data.name].facts(data.options).shape))
    return any(found)
