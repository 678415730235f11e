"""The spec of a trial: frozen, checked when made, equivalent to the text of a study file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from trainers.binarize.schedule import LayerSchedule
from trainers.binding import Component, bind, show
from trainers.errors import SpecError
from trainers.optim.epochs import shrunk
from trainers.optim.optimizers import LR_SCHEDULES
from trainers.spec.added import CenterLoss, Teacher
from trainers.spec.data_spec import DataSpec
from trainers.spec.faults import faults_between
from trainers.spec.parts import ALL, ActivationSpec, BatchNorm
from trainers.spec.probe import model_layers, model_places
from trainers.spec.reading import keys_of, read_parts
from trainers.spec.stages import BEFORE, changes
from trainers.spec.tables import COMPONENTS, LatentAtEval, Precision, binarizer_of
from trainers.written import ALWAYS, IN_FULL, default_of, plain, written


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSpec:
    """One trial: everything its result depends on, and nothing else.

    Make one with `TrainSpec.from_mapping`, or with this constructor, from parts or from the plain
    mappings of a study file. Change one with `dataclasses.replace`. Each of these checks the whole
    spec: names, options, whether the model fits the data's images, whether the layers exist and
    become binary in time.

    Args:
        model: A network (`trainers.MODELS`).
        data: A data set and its batches.
        optimizer: An optimizer (`OPTIMIZERS`), with `lr` among its options.
        lr_schedule: Learning-rate policy (`LR_SCHEDULES`).
        loss: The training loss (`LOSSES`).
        weights: The weight binarizer of the layers in `layers` (`WEIGHT_BINARIZERS`).
        layers: Which layers are binary in which epoch, by name.
        epochs: Number of epochs; 1 or more.
        seed: Seed of all randomness in the trial.
        precision: float32; bfloat16 (autocast); tf32 (CUDA matrix products); float64.
        latent_at_eval: keep; or reset, as the published MNIST and CIFAR-10 code of iterative
            training does: see `trainers.engine.latent.reset_latent`.
        measure_test: Also measure the test part; else it is not even read.
        init: Initialisation of weights (`WEIGHT_INITS`); default: the network's own.
        activations: Binary inputs of layers; None: no binary inputs.
        batch_norm: Training and initial values of normalisations.
        lr_batch: The learning rates are those of a step with so many images, and grow in
            proportion to the images of a step. None: they are as they are.
        clip_gradient: Clamp each gradient element to ± this value; None: no clamping.
        channels_last: Give the network its images with the channels innermost in memory, which
            convolutions hand on; changes only rounding. None: on a CPU, if the network's family
            was faster so wherever it was measured.
        teacher: A trained network to learn from; None: labels alone.
        distillation: How to learn from it (`DISTILLATIONS`).
        center_loss: Pulls features towards the centre of their class; None: does not.
        before: The stage before: a trial that is trained first. This one begins with the latent
            weights and statistics of its selected epoch. None: there is none.

    Raises:
        SpecError: Lists every fault.
    """

    model: Component
    data: DataSpec
    optimizer: Component
    lr_schedule: Component = field(default=Component("constant"), metadata=IN_FULL)
    loss: Component = field(default=Component("cross_entropy"), metadata=IN_FULL)
    weights: Component = field(default=Component("sign"), metadata=IN_FULL)
    layers: LayerSchedule[str] = field(default=LayerSchedule(), metadata=ALWAYS)
    epochs: int
    seed: int = field(default=316, metadata=ALWAYS)
    precision: Precision = field(default="float32", metadata=IN_FULL)
    latent_at_eval: LatentAtEval = field(default="keep", metadata=IN_FULL)
    measure_test: bool = field(default=True, metadata=IN_FULL)
    init: Component = field(default=Component("default"))
    activations: ActivationSpec | None = None
    batch_norm: BatchNorm = field(default=BatchNorm())
    lr_batch: int | None = None
    clip_gradient: float | None = None
    channels_last: bool | None = None
    teacher: Teacher | None = None
    distillation: Component = field(default=Component("none"))
    center_loss: CenterLoss | None = None
    before: "TrainSpec | None" = None

    def __post_init__(self) -> None:
        """Reads parts given as plain values, and checks that all parts fit together."""
        keys, given = keys_of(type(self)), self._parts()
        if any(isinstance(given[name], Mapping | str) for name in keys.structured):
            parts, faults = read_parts(keys, _plain(given))
            if faults:
                raise SpecError(*faults)
            for name, part in parts.items():
                object.__setattr__(self, name, part)
        faults = faults_between(self._parts(), plain=keys.plain)
        if faults:
            raise SpecError(*faults)

    @classmethod
    def from_mapping(cls, mapping: object) -> Self:
        """Reads a spec from plain values, as in YAML; layers may be numbers, from 1.

        Raises:
            SpecError: Lists every fault, each with its key path.
        """
        if not isinstance(mapping, Mapping):
            raise SpecError(f"expected a trial as a mapping, got {show(mapping)}")
        parts, faults = read_parts(keys_of(cls), mapping)
        if faults:
            raise SpecError(*faults, *faults_between(parts))
        # The constructor checks that the parts fit together.
        return cls(**parts)

    def to_mapping(self) -> dict[str, Any]:
        """Returns plain values from which `from_mapping` makes an equal spec."""
        return self._written()

    def without_defaults(self) -> dict[str, Any]:
        """Returns plain values without defaults, the form that the trial's id hashes."""
        return self._written(full=False, places=False)

    def identity(self) -> dict[str, Any]:
        """Returns plain values that are equal for trials with equal training."""
        return self.canonical()._written(places=False)

    @property
    def stages(self) -> "tuple[TrainSpec, ...]":
        """The stages in the order in which they are trained; the last one is the trial itself."""
        return (*(self.before.stages if self.before else ()), self)

    @property
    def epochs_before(self) -> int:
        """Number of epochs of all stages before."""
        return self.before.all_epochs if self.before else 0

    @property
    def all_epochs(self) -> int:
        """Number of epochs of all stages."""
        return self.epochs_before + self.epochs

    @property
    def keep(self) -> float | None:
        """The share of weights that the binarizer keeps; None: all of them."""
        return binarizer_of(self.weights).kept_share if self.layers.order else None

    @property
    def final_from(self) -> int:
        """The first epoch in which the network has its final form; without the stages before."""
        of_layers = self.layers.final_from(epochs=self.epochs)
        return max(of_layers, binarizer_of(self.weights).final_from if self.layers.order else 0)

    def canonical(self) -> Self:
        """Returns the spec that represents all specs with equal training.

        If all layers become binary at once, their order has no effect. If none does, the binarizer
        and the epochs per layer have no effect, and there is no latent weight to reset.
        """
        parts: dict[str, Any] = {}
        if not self.layers.order:
            options = {key: item for key, item in self.init.options.items() if key != "scale_fan"}
            unused = ("weights", "layers", "latent_at_eval")
            parts = {part.name: default_of(part) for part in fields(self) if part.name in unused}
            parts["init"] = Component(self.init.name, options)
        elif self.layers.num_binary_at(0) == len(self.layers.order):
            forward = model_layers(self.model)
            order = tuple(sorted(self.layers.order, key=forward.index))
            parts["layers"] = LayerSchedule(order=order)
        places = self.activations.layers if self.activations else ALL
        if self.activations and places != ALL and set(places) == set(model_places(self.model)):
            parts["activations"] = replace(self.activations, layers=ALL)
        if self.before is not None:
            parts["before"] = self.before.canonical()
        # Most specs are canonical already. A new one would be checked again, which takes long.
        is_canonical = all(getattr(self, name) == part for name, part in parts.items())
        return self if is_canonical else replace(self, **parts)

    def scaled(self, factor: Callable[[int], int], *, least_epochs: int = 1) -> Self:
        """Returns the trial with `factor` applied to every number of epochs.

        Args:
            factor: Maps a number of epochs to the scaled number, 1 or more.
            least_epochs: Least number of epochs of the result.
        """
        parts: dict[str, Any] = {}
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
        if self.before is not None:
            least = self.before.least_epochs(factor)
            parts["before"] = self.before.scaled(factor, least_epochs=least)
        return replace(self, **parts)

    def least_epochs(self, factor: Callable[[int], int]) -> int:
        """Least epochs of the scaled trial, so that every layer turns binary that does so here."""
        per_layer = self.layers.epochs_per_layer
        if not per_layer:
            return 1
        return (self.layers.num_binary_at(self.epochs - 1) - 1) * factor(per_layer) + 1

    def _written(self, *, full: bool = True, places: bool = True) -> dict[str, Any]:
        mapping = written(self, full=full, places=places)
        if self.before is not None:
            mapping[BEFORE] = changes(self, self.before, full=full, places=places)
        return mapping

    def _parts(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def _plain(parts: dict[str, Any]) -> dict[str, Any]:
    """Returns the parts as plain values, but for a stage that was made already."""
    return {
        name: part if isinstance(part, TrainSpec) else plain(part) for name, part in parts.items()
    }
