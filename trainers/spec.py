"""A trial written down: frozen, checked when made, equal to what a study file says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import torch

from trainers.binarize.schedule import LayerSchedule
from trainers.binarize.weights import WEIGHT_BINARIZERS
from trainers.binding import Component, Value, bind, convert, show
from trainers.data import SOURCES
from trainers.data_spec import DataSpec, data_faults, read_data
from trainers.errors import Fault, SpecError, UnknownNameError, unknown_keys
from trainers.losses import LOSSES
from trainers.models import MODELS
from trainers.optim import EPOCH_OPTIONS, LR_SCHEDULES, OPTIMIZERS
from trainers.probe import fit_faults, model_layers

T = TypeVar("T")
Precision = Literal["float32", "bfloat16", "tf32", "float64"]
LatentAtEval = Literal["keep", "reset"]

KEYS = (
    "model",
    "data",
    "optimizer",
    "lr_schedule",
    "loss",
    "weights",
    "layers",
    "epochs",
    "seed",
    "precision",
    "latent_at_eval",
    "measure_test",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSpec:
    """One trial: everything its result depends on, and nothing else.

    Make one with `TrainSpec.from_mapping`, or here, with parts or with the plain mappings that a
    study file has for them; change one with `dataclasses.replace`. Either way it is checked whole:
    names, options, whether the model takes the data's images, whether the layers exist and turn
    binary in time.

    Args:
        model: A network (`trainers.MODELS`).
        data: A data set and its batches.
        optimizer: An optimizer (`OPTIMIZERS`), with `lr` among its options.
        lr_schedule: How the rate changes by epoch (`LR_SCHEDULES`).
        loss: The training loss (`LOSSES`).
        weights: The weight binarizer of the layers in `layers` (`WEIGHT_BINARIZERS`).
        layers: Which layers are binary when, by name.
        epochs: How many; 1 or more.
        seed: Where all of the trial's randomness begins.
        precision: float32; bfloat16 (autocast); tf32 (CUDA matrix products); float64.
        latent_at_eval: keep; or reset, as the published MNIST and CIFAR-10 code of iterative
            training does: see `trainers.engine.latent.reset_latent`.
        measure_test: Measure the test part too; else it is not even read.

    Raises:
        SpecError: With every fault found.
    """

    model: Component
    data: DataSpec
    optimizer: Component
    lr_schedule: Component = field(default_factory=lambda: Component("constant"))
    loss: Component = field(default_factory=lambda: Component("cross_entropy"))
    weights: Component = field(default_factory=lambda: Component("sign"))
    layers: LayerSchedule[str] = field(default_factory=LayerSchedule)
    epochs: int
    seed: int = 316
    precision: Precision = "float32"
    latent_at_eval: LatentAtEval = "keep"
    measure_test: bool = True

    def __post_init__(self) -> None:
        """Reads parts that came as plain values, and checks how all fit together."""
        given = {name: getattr(self, name) for name in KEYS}
        if any(
            isinstance(given[name], Mapping | str) for name in (*_COMPONENTS, "data", "layers")
        ):
            parts, faults = _parts({name: _as_plain(part) for name, part in given.items()})
            if faults:
                raise SpecError(*faults)
            for name, part in parts.items():
                object.__setattr__(self, name, part)
        faults = _faults_between({name: getattr(self, name) for name in KEYS})
        if faults:
            raise SpecError(*faults)

    @classmethod
    def from_mapping(cls, mapping: object) -> "TrainSpec":
        """A spec from plain values, as YAML gives them; layers may be given by number, from 1.

        Raises:
            SpecError: With every fault, each with its key path.
        """
        if not isinstance(mapping, Mapping):
            raise SpecError(f"expected a trial as a mapping, got {show(mapping)}")
        parts, faults = _parts(mapping)
        between = _faults_between(parts)
        if faults or between:
            raise SpecError(*faults, *between)
        return cls(**parts)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values from which `from_mapping` makes an equal spec."""
        parts = {name: getattr(self, name).to_mapping() for name in _COMPONENTS}
        tail = {name: getattr(self, name) for name in _PLAIN}
        layers = _as_plain(self.layers)
        return {**parts, "data": self.data.to_mapping(), "layers": layers, **tail}

    def canonical(self) -> "TrainSpec":
        """The spec that stands for all specs which train the same.

        Where all layers turn binary at once their order has no meaning; where none does, neither
        the binarizer nor the epochs per layer have, nor is there a latent weight to reset.
        """
        parts: dict[str, Any] = {name: getattr(self, name) for name in KEYS}
        if not self.layers.order:
            parts |= {"weights": Component("sign"), "layers": LayerSchedule()}
            parts["latent_at_eval"] = "keep"
        elif self.layers.num_binary_at(0) == len(self.layers.order):
            forward = model_layers(self.model)
            order = tuple(sorted(self.layers.order, key=forward.index))
            parts["layers"] = LayerSchedule(order=order)
        return TrainSpec(**parts)

    def scaled(self, factor: Callable[[int], int], *, least_epochs: int = 1) -> "TrainSpec":
        """The same trial with every number of epochs put through `factor`.

        Args:
            factor: Maps a number of epochs to the scaled one, 1 or more.
            least_epochs: The trial keeps at least this many.
        """
        parts: dict[str, Any] = {name: getattr(self, name) for name in KEYS}
        per_layer = self.layers.epochs_per_layer
        parts["layers"] = LayerSchedule(
            order=self.layers.order, epochs_per_layer=factor(per_layer) if per_layer else 0
        )
        parts["epochs"] = max(factor(self.epochs), least_epochs)
        rates = self.lr_schedule.options
        # The rate of the first epoch stays what it is, also where every drop comes one sooner.
        first = 2 if rates.get("early") else 1
        options = {
            key: _scaled_option(value, lambda epochs: max(factor(epochs), first))
            if key in EPOCH_OPTIONS
            else value
            for key, value in rates.items()
        }
        parts["lr_schedule"] = Component(self.lr_schedule.name, options)
        return TrainSpec(**parts)


def _as_plain(part: object) -> object:
    if isinstance(part, LayerSchedule):
        return {"order": list(part.order), "epochs_per_layer": part.epochs_per_layer}
    return part.to_mapping() if isinstance(part, Component | DataSpec) else part


def _scaled_option(value: Value, factor: Callable[[int], int]) -> Value:
    if isinstance(value, tuple):
        # Two milestones that fall together count as one.
        return tuple(sorted({factor(item) for item in value if isinstance(item, int)}))
    return factor(value) if isinstance(value, int) else value


_COMPONENTS: Mapping[str, tuple[str, Mapping[str, Callable[..., object]]]] = {
    "model": ("model", MODELS),
    "optimizer": ("optimizer", OPTIMIZERS),
    "lr_schedule": ("lr schedule", LR_SCHEDULES),
    "loss": ("loss", LOSSES),
    "weights": ("weight binarizer", WEIGHT_BINARIZERS),
}
_PLAIN: Mapping[str, Any] = {
    "epochs": int,
    "seed": int,
    "precision": Precision,
    "latent_at_eval": LatentAtEval,
    "measure_test": bool,
}
_REQUIRED = ("model", "data", "optimizer", "epochs")


def _parts(mapping: Mapping[Any, object]) -> tuple[dict[str, Any], list[Fault]]:
    """The parts of a spec that could be read, and the faults of the others."""
    parts: dict[str, Any] = {}
    faults: list[Fault] = []

    def read(name: str, reader: Callable[[object], T]) -> None:
        try:
            parts[name] = reader(mapping[name])
        except SpecError as error:
            faults.extend(error.under(name))

    faults += unknown_keys(mapping, KEYS)
    for name in KEYS:
        if name not in mapping:
            if name in _REQUIRED:
                faults.append(Fault(name, "is missing"))
        elif name in _COMPONENTS:
            read(name, partial(bind, *_COMPONENTS[name]))
        elif name in _PLAIN:
            read(name, partial(convert, wanted=_PLAIN[name]))
        elif name == "data":
            read(name, read_data)
        else:
            read(name, partial(_read_layers, forward=_forward_layers(parts.get("model"))))
    return parts, faults


def _forward_layers(model: Component | None) -> tuple[str, ...]:
    """The model's layers; none when it is not known or cannot be made."""
    try:
        return model_layers(model) if model else ()
    except SpecError:
        return ()


def _read_layers(value: object, forward: tuple[str, ...]) -> LayerSchedule[str]:
    if not isinstance(value, Mapping):
        raise SpecError(f"expected {{order: [...], epochs_per_layer: ...}}, got {show(value)}")
    known = ("order", "epochs_per_layer")
    faults = unknown_keys(value, known)
    given: dict[str, Any] = {"order": (), "epochs_per_layer": 0}
    for key, wanted in (("order", tuple[int | str, ...]), ("epochs_per_layer", int)):
        try:
            given[key] = convert(value.get(key, given[key]), wanted)
        except SpecError as error:
            faults.extend(error.under(key))
    order: list[str] = []
    for index, layer in enumerate(given["order"]):
        if isinstance(layer, str) or not forward:
            order.append(str(layer))
        elif 1 <= layer <= len(forward):
            order.append(forward[layer - 1])
        else:
            what = f"there is no layer {layer}"
            faults.append(Fault(f"order.{index}", what, f"the model has 1 to {len(forward)}"))
    if faults:
        raise SpecError(*faults)
    return LayerSchedule(order=tuple(order), epochs_per_layer=given["epochs_per_layer"])


def _faults_between(parts: Mapping[str, Any]) -> list[Fault]:
    """Faults of parts that are well formed each; parts that are not given are passed over."""
    faults = _names_and_options(parts)
    if faults:
        return faults
    for name, low in (("epochs", 1), ("seed", 0)):
        if name in parts and parts[name] < low:
            faults.append(Fault(name, f"must be {low} or more, got {parts[name]}"))
    if "data" in parts:
        faults += [fault.under("data") for fault in data_faults(parts["data"])]
    for name in ("optimizer", "lr_schedule", "loss", "weights"):
        if name in parts:
            faults += [fault.under(name) for fault in _trial_faults(name, parts)]
    if "model" in parts:
        faults += _model_faults(parts["model"], parts.get("data"), parts.get("layers"))
    if "layers" in parts and parts.get("epochs", 0) >= 1:
        try:
            parts["layers"].check(epochs=parts["epochs"])
        except SpecError as error:
            faults += error.under("layers")
    return faults


def _names_and_options(parts: Mapping[str, Any]) -> list[Fault]:
    """What `bind` says of each part: `dataclasses.replace` puts any component into a spec."""
    loaders = {name: source.load for name, source in SOURCES.items()}
    checks: list[tuple[str, Callable[[], object]]] = [
        (name, partial(bind, *_COMPONENTS[name], parts[name].to_mapping()))
        for name in _COMPONENTS
        if name in parts
    ]
    if "data" in parts:
        source = parts["data"].source.to_mapping()
        checks.append(("data", partial(bind, "data set", loaders, source)))
    for name in ("precision", "latent_at_eval", "measure_test"):
        if name in parts:
            checks.append((name, partial(convert, parts[name], _PLAIN[name])))
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
    table = _COMPONENTS[name][1]
    rate = parts["optimizer"].options.get("lr", 1.0) if "optimizer" in parts else 1.0
    arguments: Mapping[str, tuple[object, ...]] = {
        # Torch checks the options first; a first parameter would make it load its compiler.
        "optimizer": ((),),
        "lr_schedule": (rate,),
        "loss": (),
        "weights": (torch.ones(2, 2),),
    }
    try:
        table[component.name](*arguments[name], **component.options)
    except SpecError as error:
        return list(error.faults)
    except ValueError as error:
        is_fine = name == "optimizer" and "empty parameter list" in str(error)
        return [] if is_fine else [Fault("", str(error))]
    return []


def _model_faults(
    model: Component, data: DataSpec | None, layers: LayerSchedule[str] | None
) -> list[Fault]:
    try:
        known = model_layers(model)
    except SpecError as error:
        return list(error.under("model"))
    faults: list[Fault] = []
    if data is not None:
        faults += [fault.under("model") for fault in fit_faults(model, data.source)]
    for index, layer in enumerate(layers.order if layers else ()):
        if layer not in known:
            faults += UnknownNameError("layer", layer, known).under(f"layers.order.{index}")
    return faults
