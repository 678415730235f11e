"""Hangs binarizers on the layers of a plain model, by name, and switches them."""

import copy
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainers.binarize.weights import WeightBinarizer, make_weight_binarizer
from trainers.errors import SpecError, choose


def weight_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the Linear and Conv2d layers in forward order; layer k of a paper is element k-1.

    Models register their layers in the order in which the input meets them.
    """
    return tuple(_layers(model))


def binarize_weights(
    model: nn.Module, layers: Sequence[str], name: str, **options: object
) -> None:
    """Gives each named layer its own weight binarizer, switched off.

    The optimizer keeps seeing the same `Parameter`, now the latent weight; state-dict keys become
    `<layer>.parametrizations.weight.original`.

    Args:
        model: A plain model; changed in place.
        layers: Names from `weight_layers(model)`.
        name: A weight binarizer (`trainers.WEIGHT_BINARIZERS`).
        options: Its keyword arguments.

    Raises:
        UnknownNameError: If a layer or the binarizer does not exist.
        SpecError: If a layer already has one.
    """
    known = _layers(model)
    chosen = {layer: choose("layer", known, layer) for layer in layers}
    taken = sorted(set(chosen) & set(dict(binarizers(model))))
    if taken:
        raise SpecError(f"{', '.join(taken)} already compute with a weight binarizer")
    for module in chosen.values():
        weight = module.weight
        assert isinstance(weight, Tensor)
        binarizer = make_weight_binarizer(name, weight.detach(), **options)
        binarizer.enabled = False
        parametrize.register_parametrization(module, "weight", binarizer)


def set_binary(model: nn.Module, layers: Iterable[str]) -> None:
    """From now on exactly these layers compute with binary weights.

    Raises:
        UnknownNameError: If a layer has no binarizer; nothing is switched then.
    """
    attached = dict(binarizers(model))
    wanted = {choose("layer with a weight binarizer", attached, layer) for layer in layers}
    for binarizer in attached.values():
        binarizer.enabled = binarizer in wanted


def binarizers(model: nn.Module) -> Iterator[tuple[str, WeightBinarizer]]:
    """Layer name and binarizer of each layer that has one, in forward order."""
    for name, module in _layers(model).items():
        if parametrize.is_parametrized(module, "weight"):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            chain = module.parametrizations["weight"]
            assert isinstance(chain, parametrize.ParametrizationList)
            for step in chain:
                if isinstance(step, WeightBinarizer):
                    yield name, step


def latent_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weight the optimizer updates, of every Linear and Conv2d layer, by layer name."""
    parameters = dict(model.named_parameters())
    latent = "{}.parametrizations.weight.original".format
    return {
        name: parameters[latent(name) if latent(name) in parameters else f"{name}.weight"]
        for name in weight_layers(model)
    }


@torch.no_grad()
def baked(model: nn.Module) -> nn.Module:
    """A copy with plain weights: the network as it would be deployed, with no binarizer left."""
    # A parametrized module can be copied, though not pickled whole.
    plain = copy.deepcopy(model)
    for name, _ in list(binarizers(plain)):
        module = plain.get_submodule(name)
        # A copy shares the class torch made for the original, and removal takes the property
        # off that class; so the copy gets a class of its own first.
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
