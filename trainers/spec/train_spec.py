"""A trial written down: frozen, checked when made, equal to what a study file says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from trainers.binarize.schedule import LayerSchedule
from trainers.binding import Component, bind, convert, show
from trainers.errors import Fault, SpecError, unknown_keys
from trainers.optim.epochs import shrunk
from trainers.optim.optimizers import LR_SCHEDULES
from trainers.spec.data_spec import DataSpec, read_data
from trainers.spec.faults import faults_between
from trainers.spec.parts import ALL, ActivationSpec, BatchNorm, read_activations
from trainers.spec.probe import model_layers, model_places
from trainers.spec.tables import (
    COMPONENTS,
    DEFAULT_INIT,
    PLAIN,
    LatentAtEval,
    Precision,
    binarizer_of,
)

T = TypeVar("T")
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
    "init",
    "activations",
    "batch_norm",
    "clip_gradient",
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
        init: How first weights are drawn (`WEIGHT_INITS`); default: as the network has it.
        activations: Binary inputs of layers; None: there are none.
        batch_norm: What normalisations learn.
        clip_gradient: Each element of a gradient is clamped to ± this; None: none is.

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
    init: Component = DEFAULT_INIT
    activations: ActivationSpec | None = None
    batch_norm: BatchNorm = field(default_factory=BatchNorm)
    clip_gradient: float | None = None

    def __post_init__(self) -> None:
        """Reads parts that came as plain values, and checks how all fit together."""
        given = {name: getattr(self, name) for name in KEYS}
        if any(
            isinstance(given[name], Mapping | str)
            for name in (*COMPONENTS, "data", "layers", "activations", "batch_norm")
        ):
            parts, faults = _parts({name: _as_plain(part) for name, part in given.items()})
            if faults:
                raise SpecError(*faults)
            for name, part in parts.items():
                object.__setattr__(self, name, part)
        faults = faults_between({name: getattr(self, name) for name in KEYS})
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
        if faults:
            raise SpecError(*faults, *faults_between(parts))
        # How the parts fit together is checked there.
        return cls(**parts)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values from which `from_mapping` makes an equal spec."""
        parts = {name: getattr(self, name).to_mapping() for name in COMPONENTS}
        tail = {name: getattr(self, name) for name in PLAIN}
        layers = _as_plain(self.layers)
        whole = {**parts, "data": self.data.to_mapping(), "layers": layers, **tail}
        # These came to the language later, and say nothing of a trial that does without them.
        later = {"batch_norm": self.batch_norm.to_mapping(), "clip_gradient": self.clip_gradient}
        if self.init == DEFAULT_INIT:
            del whole["init"]
        if self.activations is not None:
            whole["activations"] = self.activations.to_mapping()
        whole.pop("clip_gradient")
        return whole | {name: value for name, value in later.items() if value not in ({}, None)}

    @property
    def keep(self) -> float | None:
        """The share of weights that its binarizer keeps; None: all of them."""
        return binarizer_of(self.weights).kept_share if self.layers.order else None

    @property
    def final_from(self) -> int:
        """The first epoch in which the network is the one that was asked for."""
        of_layers = self.layers.final_from(epochs=self.epochs)
        return max(of_layers, binarizer_of(self.weights).final_from if self.layers.order else 0)

    def canonical(self) -> "TrainSpec":
        """The spec that stands for all specs which train the same.

        Where all layers turn binary at once their order has no meaning; where none does, neither
        the binarizer nor the epochs per layer have, nor is there a latent weight to reset.
        """
        changes: dict[str, Any] = {}
        if not self.layers.order:
            options = {key: part for key, part in self.init.options.items() if key != "scale_fan"}
            changes = {
                "weights": Component("sign"),
                "layers": LayerSchedule(),
                "latent_at_eval": "keep",
                "init": Component(self.init.name, options),
            }
        elif self.layers.num_binary_at(0) == len(self.layers.order):
            forward = model_layers(self.model)
            order = tuple(sorted(self.layers.order, key=forward.index))
            changes["layers"] = LayerSchedule(order=order)
        places = self.activations.layers if self.activations else ALL
        if self.activations and places != ALL and set(places) == set(model_places(self.model)):
            changes["activations"] = replace(self.activations, layers=ALL)
        # Most are it themselves; to make another one takes as long as to check it.
        is_canonical = all(getattr(self, name) == part for name, part in changes.items())
        return self if is_canonical else replace(self, **changes)

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
        parts["epochs"] = epochs = max(factor(self.epochs), least_epochs)
        policy, rates = LR_SCHEDULES[self.lr_schedule.name], self.lr_schedule
        shrunken = Component(rates.name, shrunk(policy, rates.options, factor, epochs=epochs))
        parts["lr_schedule"] = bind("lr schedule", LR_SCHEDULES, shrunken.to_mapping())
        if self.layers.order:
            counted = binarizer_of(self.weights).epoch_options
            fewer = {name: min(factor(num), epochs - 1) for name, num in counted.items()}
            parts["weights"] = bind(*COMPONENTS["weights"], self.weights.to_mapping() | fewer)
        tuned_from = self.batch_norm.tuned_from
        if tuned_from:
            tuned_from = min(factor(tuned_from), epochs - 1)
            parts["batch_norm"] = replace(self.batch_norm, tuned_from=tuned_from)
        return TrainSpec(**parts)


def _as_plain(part: object) -> object:
    if isinstance(part, LayerSchedule):
        return {"order": list(part.order), "epochs_per_layer": part.epochs_per_layer}
    kinds = Component | DataSpec | ActivationSpec | BatchNorm
    return part.to_mapping() if isinstance(part, kinds) else part


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
        elif name in COMPONENTS:
            read(name, partial(bind, *COMPONENTS[name]))
        elif name in PLAIN:
            read(name, partial(convert, wanted=PLAIN[name]))
        elif name == "data":
            read(name, read_data)
        elif name == "activations":
            read(name, read_activations)
        elif name == "batch_norm":
            read(name, partial(convert, wanted=BatchNorm))
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
    if value.get("order") == ALL:
        value = {key: item for key, item in value.items() if key != "order"}
        given["order"] = forward
    for key, wanted in (("order", tuple[int | str, ...]), ("epochs_per_layer", int)):
        if key not in value:
            continue
        try:
            given[key] = convert(value[key], wanted)
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
