"""Attaches binarizers to the layers of a plain model, by name, and switches them on and off."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from trainers.binarize.activations import (
    ACTIVATION_BINARIZERS,
    ActivationBinarizer,
    make_activation_binarizer,
)
from trainers.binarize.weights import WeightBinarizer, make_weight_binarizer
from trainers.binding import component, names_in
from trainers.errors import SpecError, UnknownNameError, choose


def weight_layers(model: nn.Module) -> tuple[str, ...]:
    """Returns the Linear and Conv2d layers in forward order; a paper's layer k is element k-1.

    Models register their layers in forward order.
    """
    return tuple(_layers(model))


def binarize_weights(
    model: nn.Module, layers: Sequence[str], name: str, **options: object
) -> None:
    """Gives each named layer its own weight binarizer, switched off.

    The optimizer keeps the same `Parameter`, now the latent weight. State-dict keys become
    `<layer>.parametrizations.weight.original`, plus `<layer>.parametrizations.weight.0.scores` if
    the binarizer has its own parameters. If the binarizer freezes the latent weight, its
    `requires_grad` becomes False.

    Args:
        model: A plain model; changed in place.
        layers: Names from `weight_layers(model)`.
        name: A weight binarizer (`trainers.WEIGHT_BINARIZERS`).
        options: Its keyword arguments.

    Raises:
        UnknownNameError: If a layer or the binarizer does not exist.
        SpecError: If a layer already has one, or the binarizer rejects an option or the layer.
    """
    known = _layers(model)
    chosen = {layer: choose("layer", known, layer) for layer in names_in("layer", layers)}
    taken = sorted(set(chosen) & set(dict(binarizers(model))))
    if taken:
        raise SpecError(f"{', '.join(taken)} already have a weight binarizer")
    made: dict[str, WeightBinarizer] = {}
    for layer, module in chosen.items():
        weight = module.weight
        assert isinstance(weight, Tensor)
        try:
            binarizer = make_weight_binarizer(name, weight.detach(), **options)
        except UnknownNameError:
            raise
        except SpecError as error:
            # A fault with a path is one of an option; it is the same for all layers.
            faults = [fault if fault.path else fault.under(layer) for fault in error.faults]
            raise SpecError(*faults) from error
        made[layer] = binarizer
        binarizer.enabled = False
        if not binarizer.trains_latent:
            weight.requires_grad_(False)
        parametrize.register_parametrization(module, "weight", binarizer)
    if made:
        together = {layer: made[layer] for layer in known if layer in made}
        type(next(iter(made.values()))).join(together)


def initialise_binarizers(model: nn.Module, generator: Generator) -> None:
    """Draws the binarizers' own parameters, layer by layer.

    Args:
        model: A model with binarizers attached.
        generator: A CPU generator.
    """
    for _, binarizer in binarizers(model):
        binarizer.initialise(generator)


@runtime_checkable
class Activated(Protocol):
    """A model that names the modules behind its activation functions."""

    def activated(self) -> tuple[str, ...]:
        """Returns the modules whose input comes from an activation function, in forward order."""


def activated_modules(model: nn.Module) -> tuple[str, ...]:
    """Returns the modules whose input comes from an activation function, in forward order.

    These are the modules that the model names, or else all its layers but the first.
    """
    return model.activated() if isinstance(model, Activated) else weight_layers(model)[1:]


def binarize_activations(
    model: nn.Module, layers: Sequence[str], name: str, **options: object
) -> None:
    """Binarizes the input of each named module, directly in front of the module.

    The sign replaces the model's ReLU on that input. A residual block can be named too: then its
    shortcut also gets the binary input.

    Args:
        model: Any model, with or without weight binarizers; changed in place.
        layers: Names from `activated_modules(model)` or `weight_layers(model)`.
        name: An activation binarizer (`trainers.ACTIVATION_BINARIZERS`).
        options: Its keyword arguments.

    Raises:
        UnknownNameError: If a module or the binarizer does not exist.
        SpecError: If an input is binarized already, or the binarizer rejects an option.
    """
    names = dict.fromkeys((*weight_layers(model), *activated_modules(model)))
    known = {place: model.get_submodule(place) for place in names}
    chosen = {layer: choose("layer", known, layer) for layer in names_in("layer", layers)}
    taken = sorted(set(chosen) & set(dict(activation_binarizers(model))))
    if taken:
        raise SpecError(f"the input of {', '.join(taken)} is binarized already")
    checked = component("activation binarizer", ACTIVATION_BINARIZERS, name, options)
    for module in chosen.values():
        binarizer = make_activation_binarizer(name, **checked.options)
        module.register_forward_pre_hook(_BinaryInput(binarizer, checked.to_mapping()))
        # `relu_before` reads this and skips the model's own ReLU.
        module.input_is_binary = True  # type: ignore[assignment]


def activation_binarizers(model: nn.Module) -> Iterator[tuple[str, ActivationBinarizer]]:
    """Yields name and binarizer of each module with a binarized input, in registration order."""
    for name, module in model.named_modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, _BinaryInput):
                yield name, hook.binarizer


def binary_inputs(model: nn.Module) -> list[dict[str, object]]:
    """Returns the arguments of `binarize_activations` for this model: name, options and layers.

    One entry per kind of binarizer; layers in registration order.
    """
    kinds: list[tuple[Mapping[str, object], list[str]]] = []
    for layer, module in model.named_modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, _BinaryInput):
                known = [layers for made_from, layers in kinds if made_from == hook.made_from]
                if known:
                    known[0].append(layer)
                else:
                    kinds.append((hook.made_from, [layer]))
    return [{**made_from, "layers": layers} for made_from, layers in kinds]


def has_other_hooks(module: nn.Module) -> bool:
    """Whether a module has a forward hook other than an activation binarizer."""
    before = module._forward_pre_hooks.values()
    return bool(module._forward_hooks) or any(not isinstance(h, _BinaryInput) for h in before)


class _BinaryInput:
    """A forward pre-hook; a class, so that it can be found and copied with its module."""

    def __init__(self, binarizer: ActivationBinarizer, made_from: Mapping[str, object]) -> None:
        self.binarizer = binarizer
        self.made_from = made_from

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        (x,) = inputs
        result: Tensor = self.binarizer(x)
        return result


def set_binary(model: nn.Module, layers: Iterable[str]) -> None:
    """Switches binary weights on in exactly these layers, and off in all others.

    Raises:
        UnknownNameError: If a layer has no binarizer; then nothing changes.
    """
    attached = dict(binarizers(model))
    kind = "layer with a weight binarizer"
    wanted = {choose(kind, attached, layer) for layer in names_in(kind, layers)}
    for binarizer in attached.values():
        binarizer.enabled = binarizer in wanted


def binarizers(model: nn.Module) -> Iterator[tuple[str, WeightBinarizer]]:
    """Yields name and binarizer of each layer that has one, in forward order."""
    for name, module in _layers(model).items():
        if parametrize.is_parametrized(module, "weight"):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            chain = module.parametrizations["weight"]
            assert isinstance(chain, parametrize.ParametrizationList)
            for step in chain:
                if isinstance(step, WeightBinarizer):
                    yield name, step


def latent_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the weight the optimizer updates, for every Linear and Conv2d layer, by name."""
    parameters = dict(model.named_parameters())
    latent = "{}.parametrizations.weight.original".format
    return {
        name: parameters[latent(name) if latent(name) in parameters else f"{name}.weight"]
        for name in weight_layers(model)
    }


@torch.no_grad()
def baked(model: nn.Module) -> nn.Module:
    """Returns a copy with plain weights and no weight binarizer: the deployed network."""
    # A parametrized module can be copied, but not pickled whole.
    plain = copy.deepcopy(model)
    for name, _ in list(binarizers(plain)):
        module = plain.get_submodule(name)
        # The copy shares the class that torch made for the original. Removal deletes the property
        # from that class, so the copy first gets its own class.
        shared = type(module)
        own = {"weight": vars(shared)["weight"]}
        module.__class__ = type(shared.__name__, shared.__bases__, own)
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return plain


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
