"""Parts of a trial with a shape of their own: binary inputs, and what normalisations learn."""

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
    """Binary inputs.

    Args:
        binarizer: Which (`ACTIVATION_BINARIZERS`).
        layers: Whose inputs, by name; "all": wherever the model applies ReLU.
    """

    binarizer: Component = field(metadata=INLINE)
    layers: tuple[str, ...] | Literal["all"] = ALL

    def to_mapping(self) -> dict[str, object]:
        """As a study file writes it."""
        return written(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchNorm(Record):
    """What the weights and biases of normalisations learn, and how they begin.

    Args:
        learn: all; bias alone; or none, which is as if they had neither.
        tuned_from: From this epoch on, counted from 0, they alone learn, and nothing else does;
            before it, all else learns and they do not. None: they learn along with all else.
        decay: The optimizer's weight decay applies to them too.
        weight: They begin at one; or uniform, from 0 to 1/sqrt(1200), as published.
        bias: What the biases begin as.

    Raises:
        SpecError: If nothing would ever be tuned, or the epoch is negative.

    Source: the code published with arXiv:2103.09377 (`--learn_batchnorm`, `--tune_batchnorm`,
        `--bn_bias_only`, `--no-bn-decay`, `--bn_weight_init`, `--bn_bias_init`).
    """

    kind: ClassVar[str] = "batch_norm"

    learn: Literal["all", "bias", "none"] = "all"
    tuned_from: int | None = None
    decay: bool = True
    weight: Literal["one", "uniform"] = "one"
    bias: float = 0.0

    def __post_init__(self) -> None:
        """Checks what can be checked without a model."""
        if self.tuned_from is not None and self.tuned_from < 0:
            raise SpecError(Fault("tuned_from", f"must be 0 or more, got {self.tuned_from}"))
        if self.tuned_from is not None and self.learn == "none":
            what = "with learn: none nothing would learn from that epoch on"
            raise SpecError(Fault("tuned_from", what, "take learn: all or learn: bias"))


def read_activations(value: object) -> ActivationSpec | None:
    """Binary inputs from plain values; nothing, or `none`: there are none.

    Raises:
        SpecError: With every fault.
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
    """The binarizer itself.

    Raises:
        SpecError: If it refuses an option's value.
    """
    return ACTIVATION_BINARIZERS[component.name](**component.options)


def activation_faults(spec: ActivationSpec, known: Sequence[str]) -> list[Fault]:
    """Layers that the model has not.

    Args:
        spec: Binary inputs.
        known: Names of the model's layers, and of all else whose input can be binarized.
    """
    return [
        fault
        for index, layer in enumerate(() if spec.layers == ALL else spec.layers)
        if layer not in known
        for fault in UnknownNameError("layer", layer, known).under(f"layers.{index}")
    ]
