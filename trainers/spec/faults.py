"""What is wrong with a trial whose parts could be read."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from trainers.binarize.schedule import LayerSchedule
from trainers.binarize.weights import WEIGHT_BINARIZERS
from trainers.binding import Component, bind, convert
from trainers.data import SOURCES
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.optim.optimizers import lr_schedule
from trainers.spec.data_spec import DataSpec, data_faults
from trainers.spec.parts import ActivationSpec, activation_faults
from trainers.spec.probe import fit_faults, model_layers, model_places
from trainers.spec.tables import COMPONENTS, PLAIN, kept_share, ramp_of


def faults_between(parts: Mapping[str, Any]) -> list[Fault]:
    """Faults of parts that are well formed each.

    Args:
        parts: By the key of the trial; those that are not there are passed over.
    """
    faults = _names_and_options(parts)
    if faults:
        return faults
    for name, low in (("epochs", 1), ("seed", 0)):
        if name in parts and parts[name] < low:
            faults.append(Fault(name, f"must be {low} or more, got {parts[name]}"))
    if "data" in parts:
        faults += [fault.under("data") for fault in data_faults(parts["data"])]
    for name in ("optimizer", "lr_schedule", "loss", "weights", "init"):
        if name in parts:
            faults += [fault.under(name) for fault in _trial_faults(name, parts)]
    if not faults:
        faults += _conflicts(parts)
    if "model" in parts:
        faults += _model_faults(parts)
    if "layers" in parts and parts.get("epochs", 0) >= 1:
        try:
            parts["layers"].check(epochs=parts["epochs"])
        except SpecError as error:
            faults += error.under("layers")
    return faults


def _conflicts(parts: Mapping[str, Any]) -> list[Fault]:
    """Options of different parts that do not go together."""
    faults: list[Fault] = []
    clip, loss, data = parts.get("clip_gradient"), parts.get("loss"), parts.get("data")
    if clip is not None and not clip > 0:
        faults.append(Fault("clip_gradient", f"must be positive, got {clip}"))
    compares = loss is not None and bool(loss.options.get("jensen_shannon"))
    if compares and data is not None and not data.augment.varies_pixels:
        what = "compares views of an image that would all be the same"
        hint = "set data.augment.augmix or data.augment.gaussian too"
        faults.append(Fault("loss.jensen_shannon", what, hint))
    weights, layers = parts.get("weights"), parts.get("layers")
    epochs, ramp = parts.get("epochs", 0), 0
    if weights is not None and layers is not None and layers.order:
        ramp = ramp_of(weights)
        is_frozen = not getattr(WEIGHT_BINARIZERS[weights.name], "trains_latent", True)
        if is_frozen and parts.get("latent_at_eval") == "reset":
            what = f"overwrites latent weights, which '{weights.name}' keeps as they were drawn"
            faults.append(Fault("latent_at_eval", what, "leave it out"))
    if epochs and ramp >= epochs:
        what = f"the final share would not be reached in {epochs} epochs"
        hint = f"set epochs to {ramp + 1} or more, or ramp_epochs to {epochs - 1} or less"
        faults.append(Fault("weights.ramp_epochs", what, hint))
    tuned_from = parts["batch_norm"].tuned_from if "batch_norm" in parts else None
    if epochs and tuned_from is not None and tuned_from >= epochs:
        what = f"is beyond the last of {epochs} epochs, got {tuned_from}"
        faults.append(Fault("batch_norm.tuned_from", what, "count from 0"))
    return faults


def _names_and_options(parts: Mapping[str, Any]) -> list[Fault]:
    """What `bind` says of each part: `dataclasses.replace` puts any component into a spec."""
    loaders = {name: source.load for name, source in SOURCES.items()}
    checks: list[tuple[str, Callable[[], object]]] = [
        (name, partial(bind, *COMPONENTS[name], parts[name].to_mapping()))
        for name in COMPONENTS
        if name in parts
    ]
    if "data" in parts:
        source = parts["data"].source.to_mapping()
        checks.append(("data", partial(bind, "data set", loaders, source)))
    for name in ("precision", "latent_at_eval", "measure_test", "clip_gradient"):
        if name in parts:
            checks.append((name, partial(convert, parts[name], PLAIN[name])))
    faults: list[Fault] = []
    for name, check in checks:
        try:
            check()
        except SpecError as error:
            faults += error.under(name)
    return faults


def _trial_faults(name: str, parts: Mapping[str, Any]) -> list[Fault]:
    """What a constructor itself says about its options: it is called once, on next to nothing."""
    component: Component = parts[name]
    table = COMPONENTS[name][1]
    rate = parts["optimizer"].options.get("lr", 1.0) if "optimizer" in parts else 1.0
    order = parts["layers"].order if "layers" in parts else ()
    arguments: Mapping[str, tuple[object, ...]] = {
        # Torch checks the options first; a first parameter would make it load its compiler.
        "optimizer": ((),),
        "loss": (),
        "weights": (torch.ones(2, 2),),
        "init": (kept_share(parts["weights"]) if order and "weights" in parts else None,),
    }
    try:
        if name == "lr_schedule":
            # A number of epochs that is wrong itself is told once.
            epochs = max(parts.get("epochs", 10**6), 1)
            lr_schedule(component.name, lr=rate, epochs=epochs, **component.options)
        else:
            # A binarizer may draw scores; a spec that is made twice must not change what follows.
            with torch.random.fork_rng(devices=[], enabled=name == "weights"):
                table[component.name](*arguments[name], **component.options)
    except SpecError as error:
        return list(error.faults)
    except ValueError as error:
        is_fine = name == "optimizer" and "empty parameter list" in str(error)
        return [] if is_fine else [Fault("", str(error))]
    return []


def _model_faults(parts: Mapping[str, Any]) -> list[Fault]:
    model: Component = parts["model"]
    data: DataSpec | None = parts.get("data")
    layers: LayerSchedule[str] | None = parts.get("layers")
    activations: ActivationSpec | None = parts.get("activations")
    try:
        known = model_layers(model)
    except SpecError as error:
        return list(error.under("model"))
    faults: list[Fault] = []
    if data is not None:
        faults += [fault.under("model") for fault in fit_faults(model, data.source)]
    if activations is not None:
        places = (*known, *model_places(model))
        faults += [fault.under("activations") for fault in activation_faults(activations, places)]
    for index, layer in enumerate(layers.order if layers else ()):
        if layer not in known:
            faults += UnknownNameError("layer", layer, known).under(f"layers.order.{index}")
    return faults
