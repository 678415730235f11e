"""Parts of a trial with their own structure: binary inputs and batch normalisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from trainers.binarize.activations import ACTIVATION_BINARIZERS
from trainers.binding import Component, Record, bind, convert, show
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.written import INLINE, written

ALL: Literal["all"] = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationSpec:
    """Binary inputs of layers.

    Args:
        binarizer: An activation binarizer (`ACTIVATION_BINARIZERS`).
        layers: Names of the layers; "all": wherever the model applies ReLU.
    """

    binarizer: Component = field(metadata=INLINE)
    layers: tuple[str, ...] | Literal["all"] = ALL

    def to_mapping(self) -> dict[str, object]:
        """Returns the mapping for a study file."""
        return written(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchNorm(Record):
    """Training and initial values of batch normalisations, and how fast their statistics move.

    Args:
        learn: Which of them learn: all; bias; or none, as if they had neither.
        tuned_from: Epoch, counted from 0, from which on only they learn; before it, everything
            else learns. None: they always learn together with everything else.
        decay: The optimizer's weight decay applies to them too.
        weight: Initial weights: one; or uniform from 0 to 1/sqrt(1200), as published.
        bias: Initial bias.
        momentum: Weight of a batch's new statistics in the running ones, above 0 and at most 1, as
            torch means it: running = (1 - momentum) running + momentum batch. None: the network's
            own, usually 0.1; the training tricks advise 0.2.

    Raises:
        SpecError: If `tuned_from` is negative, or is set although nothing of them learns, or the
            momentum is out of range.

    Source: the code published with arXiv:2103.09377 (`--learn_batchnorm`, `--tune_batchnorm`,
        `--bn_bias_only`, `--no-bn-decay`, `--bn_weight_init`, `--bn_bias_init`).
    """

    kind: ClassVar[str] = "batch_norm"

    learn: Literal["all", "bias", "none"] = "all"
    tuned_from: int | None = None
    decay: bool = True
    weight: Literal["one", "uniform"] = "one"
    bias: float = 0.0
    momentum: float | None = None

    def __post_init__(self) -> None:
        """Checks everything that needs no model."""
        if self.momentum is not None and not 0 < self.momentum <= 1:
            what = f"must be above 0 and at most 1, got {self.momentum}"
            raise SpecError(Fault("momentum", what))
        if self.tuned_from is not None and self.tuned_from < 0:
            raise SpecError(Fault("tuned_from", f"must be 0 or more, got {self.tuned_from}"))
        if self.tuned_from is not None and self.learn == "none":
            what = "with learn: none, nothing would learn from that epoch on"
            raise SpecError(Fault("tuned_from", what, "set learn: all or learn: bias"))


def read_activations(value: object) -> ActivationSpec | None:
    """Reads binary inputs from plain values; returns None for nothing or `none`.

    Raises:
        SpecError: Lists every fault.
    """
    if value is None or value == "none" or isinstance(value, ActivationSpec):
        return value if isinstance(value, ActivationSpec) else None
    if isinstance(value, Mapping) and dict(value) == {"name": "none"}:
        return None
    if not isinstance(value, Mapping | str):
        raise SpecError(f"expected {{name: ..., layers: [...]}}, got {show(value)}")
    given: dict[str, object] = {"name": value} if isinstance(value, str) else dict(value)
    layers = given.pop("layers", ALL)
    faults: list[Fault] = []
    named: tuple[str, ...] | Literal["all"] = ALL
    if layers != ALL:
        try:
            read = convert(layers, tuple[str, ...])
            assert isinstance(read, tuple)
            named = tuple(str(layer) for layer in read)
        except SpecError as error:
            faults.extend(error.under("layers"))
        if not faults and (not named or len(set(named)) < len(named)):
            what = f"expected different layers, one or more, or all; got {show(layers)}"
            faults.append(Fault("layers", what))
    try:
        binarizer = bind(
            "activation binarizer", ACTIVATION_BINARIZERS, given, extra=", layers; or none"
        )
        binarizer_of(binarizer)
    except SpecError as error:
        faults.extend(error.faults)
    if faults:
        raise SpecError(*faults)
    return ActivationSpec(binarizer=binarizer, layers=named)


def binarizer_of(component: Component) -> object:
    """Makes the activation binarizer.

    Raises:
        SpecError: If it rejects an option's value.
    """
    return ACTIVATION_BINARIZERS[component.name](**component.options)


def activation_faults(spec: ActivationSpec, known: Sequence[str]) -> list[Fault]:
    """Returns a fault for each layer that the model does not have.

    Args:
        spec: Binary inputs.
        known: Names of the model's layers, and of other modules whose input can be binarized.
    """
    return [
        fault
        for index, layer in enumerate(() if spec.layers == ALL else spec.layers)
        if layer not in known
        for fault in UnknownNameError("layer", layer, known).under(f"layers.{index}")
    ]
