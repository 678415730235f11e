"""Finds the faults of a trial whose parts could be read."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from trainers.binarize.schedule import LayerSchedule
from trainers.binding import Component, bind, convert
from trainers.data import AUGMENTATIONS, SOURCES
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.losses import DISTILLATIONS, LOSSES
from trainers.models.weight_inits import WEIGHT_INITS
from trainers.optim.optimizers import OPTIMIZERS, lr_of_step, lr_schedule
from trainers.spec.added import added_faults
from trainers.spec.data_spec import DataSpec, data_faults
from trainers.spec.parts import ActivationSpec, activation_faults
from trainers.spec.probe import (
    conv_layers,
    fit_faults,
    has_normalisations,
    layer_shapes,
    model_layers,
    model_places,
    normalises_single_values,
)
from trainers.spec.stages import stage_faults
from trainers.spec.tables import COMPONENTS, binarizer_of


def faults_between(
    parts: Mapping[str, Any], *, plain: Mapping[str, Any] = MappingProxyType({})
) -> list[Fault]:
    """Returns the faults of parts that could be read one by one.

    Args:
        parts: The parts by the trial's key; missing parts are skipped.
        plain: Types of parts that are neither components nor records; these are checked too.
    """
    faults = _names_and_options(parts, plain)
    if faults:
        return faults
    for name, low in (("epochs", 1), ("seed", 0)):
        if name in parts and parts[name] < low:
            faults.append(Fault(name, f"must be {low} or more, got {parts[name]}"))
    if "data" in parts:
        found = data_faults(parts["data"], needs_two=partial(_needs_two_images, parts))
        faults += [fault.under("data") for fault in found]
    for name in _MADE:
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
    """Returns the faults of options in different parts that exclude each other."""
    faults: list[Fault] = []
    clip, loss, data = parts.get("clip_gradient"), parts.get("loss"), parts.get("data")
    if clip is not None and not clip > 0:
        faults.append(Fault("clip_gradient", f"must be positive, got {clip}"))
    lr_batch = parts.get("lr_batch")
    if lr_batch is not None and lr_batch < 1:
        what = f"must be 1 or more, got {lr_batch}"
        faults.append(Fault("lr_batch", what, "256 is usual for ImageNet"))
    if data is not None and data.accumulate > 1 and parts.get("center_loss") is not None:
        what = "moves its centres by one batch after each step, but steps have several batches"
        faults.append(Fault("center_loss", what, "remove it, or data.accumulate"))
    if loss is not None and data is not None:
        made = LOSSES[loss.name](**loss.options)
        if made.num_views > 1 and data.augment.mixup is not None:
            what = "compares views of one image, but mix-up makes one of two"
            fault = Fault(made.views_option, what, "remove it, or data.augment.mixup")
            faults.append(fault.under("loss"))
        if made.num_views > 1 and data.augment.variation is None:
            what = "compares views of an image that would all be the same"
            ways = " or ".join(f"data.augment.{name}" for name in sorted(AUGMENTATIONS))
            faults.append(Fault(made.views_option, what, f"set {ways} too").under("loss"))
    faults += added_faults(parts) + stage_faults(parts)
    weights, layers, epochs = parts.get("weights"), parts.get("layers"), parts.get("epochs", 0)
    if weights is not None and layers is not None and layers.order:
        binarizer = binarizer_of(weights)
        if not binarizer.trains_latent and parts.get("latent_at_eval") == "reset":
            what = f"overwrites latent weights, but '{weights.name}' needs them unchanged"
            faults.append(Fault("latent_at_eval", what, "remove it"))
        if epochs:
            try:
                binarizer.check(epochs=epochs)
            except SpecError as error:
                faults += error.under("weights")
    tuned_from = parts["batch_norm"].tuned_from if "batch_norm" in parts else None
    if epochs and tuned_from is not None and tuned_from >= epochs:
        what = f"must be below the number of epochs, {epochs}, got {tuned_from}"
        faults.append(Fault("batch_norm.tuned_from", what, "epochs count from 0"))
    return faults


def _names_and_options(parts: Mapping[str, Any], plain: Mapping[str, Any]) -> list[Fault]:
    """Checks each part with `bind`, because `dataclasses.replace` accepts any component."""
    loaders = {name: source.load for name, source in SOURCES.items()}
    checks: list[tuple[str, Callable[[], object]]] = [
        (name, partial(bind, *COMPONENTS[name], parts[name].to_mapping()))
        for name in COMPONENTS
        if name in parts
    ]
    if "data" in parts:
        source = parts["data"].source.to_mapping()
        checks.append(("data", partial(bind, "data set", loaders, source)))
    checks += [
        (name, partial(convert, parts[name], kind))
        for name, kind in plain.items()
        if name in parts
    ]
    faults: list[Fault] = []
    for name, check in checks:
        try:
            check()
        except SpecError as error:
            faults += error.under(name)
    return faults


def _needs_two_images(parts: Mapping[str, Any]) -> bool:
    """Whether a batch of one image gives a normalisation one value a channel."""
    if "model" not in parts:
        return True
    loss = parts.get("loss")
    try:
        views = LOSSES[loss.name](**loss.options).num_views if loss is not None else 1
        return views == 1 and normalises_single_values(parts["model"], parts["data"].source)
    except (SpecError, RuntimeError):
        # Other checks report a model or a loss that cannot be.
        return True


def _trial_faults(name: str, parts: Mapping[str, Any]) -> list[Fault]:
    """Calls the constructor on a dummy to collect its errors."""
    try:
        _MADE[name](parts[name], parts)
    except SpecError as error:
        return list(error.faults)
    except ValueError as error:
        is_fine = name == "optimizer" and "empty parameter list" in str(error)
        return [] if is_fine else [Fault("", str(error))]
    return []


def _made_optimizer(optimizer: Component, parts: Mapping[str, Any]) -> object:
    # Torch checks the options first. With a parameter it would also load its compiler.
    return OPTIMIZERS[optimizer.name]((), **optimizer.options)


def _made_lr_schedule(schedule: Component, parts: Mapping[str, Any]) -> object:
    rate = parts["optimizer"].options.get("lr", 1.0) if "optimizer" in parts else 1.0
    data, lr_batch = parts.get("data"), parts.get("lr_batch")
    if data is not None and (lr_batch or 0) > 0:
        images = data.batch_size * data.accumulate
        rate = lr_of_step(rate, images=images, lr_batch=lr_batch)
    # A wrong number of epochs is reported elsewhere, and only once.
    epochs = max(parts.get("epochs", 10**6), 1)
    return lr_schedule(schedule.name, lr=rate, epochs=epochs, **schedule.options)


def _made_init(init: Component, parts: Mapping[str, Any]) -> object:
    keep = None
    if "weights" in parts and "layers" in parts and parts["layers"].order:
        try:
            keep = binarizer_of(parts["weights"]).kept_share
        except SpecError:
            # The check of `weights` reports this; the share of kept weights is unknown.
            return None
    return WEIGHT_INITS[init.name](keep, **init.options)


_MADE: Mapping[str, Callable[[Component, Mapping[str, Any]], object]] = {
    "optimizer": _made_optimizer,
    "lr_schedule": _made_lr_schedule,
    "loss": lambda loss, parts: LOSSES[loss.name](**loss.options),
    "distillation": lambda taught, parts: DISTILLATIONS[taught.name](**taught.options),
    "weights": lambda weights, parts: binarizer_of(weights),
    "init": _made_init,
}
"""Functions that build a part of a trial, from it and the other parts, to collect its errors."""


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
    norms = parts.get("batch_norm")
    if norms is not None and norms.momentum is not None and not has_normalisations(model):
        what = f"'{model.name}' with these options has no batch normalisation"
        faults.append(Fault("batch_norm.momentum", what, "remove it"))
    if parts.get("channels_last") and not conv_layers(model):
        what = f"'{model.name}' has no convolution"
        faults.append(Fault("channels_last", what, "remove it"))
    if data is not None:
        faults += [fault.under("model") for fault in fit_faults(model, data.source)]
    if activations is not None:
        places = (*known, *model_places(model))
        faults += [fault.under("activations") for fault in activation_faults(activations, places)]
    for index, layer in enumerate(layers.order if layers else ()):
        if layer not in known:
            faults += UnknownNameError("layer", layer, known).under(f"layers.order.{index}")
    if layers is not None and "weights" in parts:
        faults += _layer_faults(model, layers, parts["weights"])
    return faults


def _layer_faults(model: Component, layers: LayerSchedule[str], weights: Component) -> list[Fault]:
    """Returns the faults of layers that cannot be trained with the weight binarizer."""
    try:
        binarizer = binarizer_of(weights)
    except SpecError:
        # The check of `weights` reports this.
        return []
    shapes = layer_shapes(model)
    return [
        Fault(f"layers.order.{index}", f"{layer} {fault.what}", fault.hint)
        for index, layer in enumerate(layers.order)
        if layer in shapes and (fault := binarizer.layer_fault(shapes[layer])) is not None
    ]
