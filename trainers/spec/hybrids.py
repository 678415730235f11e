"""Hybrid networks as data: whose inputs are binary in a trial, and in the published forms."""

import typing
from collections.abc import Mapping

from trainers.binarize.activations import make_activation_binarizer
from trainers.binding import Component, options_of
from trainers.errors import Fault
from trainers.models import MODELS
from trainers.models.forms import FormedNet
from trainers.spec.parts import ALL
from trainers.spec.probe import model_layers, model_places, shared_model
from trainers.spec.train_spec import TrainSpec

REAL_FORMS = ("wbin", "float")
"""Forms for real inputs: the first that a network has; binary weights have their own in most."""


def forms_of(network: str) -> tuple[str, ...]:
    """Returns the names of a network's published forms; empty: it has no option `form`.

    Args:
        network: A key of `MODELS`.
    """
    option = options_of(MODELS[network]).get("form")
    return () if option is None else typing.get_args(option.annotation)


def published_hybrids(network: str) -> Mapping[str, tuple[str, ...]]:
    """Returns the forms in which some inner layers take binary inputs, and which layers these are.

    Args:
        network: A key of `MODELS`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for form in forms_of(network):
        model = shared_model(Component(network, {"form": form}))
        if isinstance(model, FormedNet) and 0 < len(model.form.norm_before) < len(model.inner):
            found[form] = model.form.norm_before
    return found


def norm_before(model: Component) -> tuple[str, ...]:
    """Returns the layers that a network's option `norm_before` names; empty: no such option."""
    shared = shared_model(model)
    has_option = "norm_before" in options_of(MODELS[model.name])
    return shared.form.norm_before if has_option and isinstance(shared, FormedNet) else ()


def real_form(model: Component) -> str | None:
    """Returns the form for real inputs of a network in a form for binary ones; None: keep its own.

    Args:
        model: A network with its options.
    """
    forms = forms_of(model.name)
    if not forms or model.options.get("form", "float") in REAL_FORMS:
        return None
    return next((form for form in REAL_FORMS if form in forms), None)


def binary_places(spec: TrainSpec) -> tuple[str, ...]:
    """Returns the modules whose inputs a trial makes binary."""
    if spec.activations is None:
        return ()
    asked, places = spec.activations.binarizer, spec.activations.layers
    if not make_activation_binarizer(asked.name, **asked.options).is_binary:
        return ()
    return model_places(spec.model) if places == ALL else places


def inner_places(model: Component) -> tuple[str, ...]:
    """Returns the modules whose inputs are binary in a fully binary network.

    These are all layers and blocks behind activation functions, whatever the form, but for the
    classifier; also not the pooling before it.
    """
    shared = shared_model(model)
    if isinstance(shared, FormedNet):
        return shared.inner
    *layers, classifier = model_layers(model)
    return tuple(
        place
        for place in model_places(model)
        if place != classifier and any(_is_in(layer, place) for layer in layers)
    )


def not_binary(spec: TrainSpec) -> Fault | None:
    """Returns why a trial's network is not fully binary; None: weights and inputs are.

    The first layer and the classifier may be either.
    """
    binary, inner = binary_places(spec), inner_places(spec.model)
    if not binary:
        given = "real" if spec.activations is None else "bounded, not binary"
        hint = "train it with activations: {name: sign, closed: true}"
        return Fault("activations", f"all inputs of layers are {given}", hint)
    real = [place for place in inner if place not in binary]
    if real:
        what = f"the network is a hybrid: the inputs of {', '.join(real)} are real"
        hint = "take a run of the network in which they are binary too"
        return Fault("activations.layers", what, hint)
    order = spec.layers.order
    latent = [place for place in inner if not any(_is_in(layer, place) for layer in order)]
    if latent:
        what = f"the weights of {', '.join(latent)} are real, not only their inputs binary"
        hint = "take a run in which they are binary too"
        return Fault("layers.order", what, hint)
    return None


def _is_in(layer: str, place: str) -> bool:
    """Whether a layer is the module of that name, or within it."""
    return layer == place or layer.startswith(f"{place}.")
