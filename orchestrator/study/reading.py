"""Reads a study from plain values, key by key, and collects every fault; pure."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from orchestrator.study.axes import Axis, read_axis
from orchestrator.study.checkpointing import Checkpointing
from orchestrator.study.given import Given, read_given, with_rows
from orchestrator.study.orders import network_of
from orchestrator.study.product import axis_faults
from orchestrator.study.search import SCHEDULERS, SEARCHERS
from orchestrator.study.shown import (
    MatrixShape,
    Metric,
    control_faults,
    read_shown,
    with_control_left,
)
from orchestrator.study.together import Together
from orchestrator.study.variant import Variant
from trainers.binding import Component, bind, bind_options, convert, show
from trainers.errors import Fault, SpecError, unknown_keys
from trainers.models import MODELS
from trainers.spec.probe import model_layers
from trainers.spec.train_spec import TrainSpec

T = TypeVar("T")

LONGEST_NAME = 60
"""Most characters in a study's name, because folders bear it; one may take four bytes."""
LONGEST_QUESTION = 4000
RESERVED = ("Default",)
"""Names that MLflow's own experiments have."""

KEYS = (
    "study",
    "question",
    "base",
    "axes",
    "metric",
    "matrix",
    "search",
    "scheduler",
    "retries",
    "checkpoint",
    "trial",
    "given",
    "as_published",
)


def read_study(mapping: object, changed: Collection[str] = ()) -> dict[str, Any]:
    """The parts of a study, as `StudySpec` takes them.

    Args:
        mapping: The study.
        changed: Paths of keys that are not as in the study's file.

    Raises:
        SpecError: With every fault, each with its key path.
    """
    if not isinstance(mapping, Mapping):
        raise SpecError(f"expected a study as a mapping, got {show(mapping)}")
    reader = _Reader(mapping, changed)
    parts = reader.read()
    if reader.faults:
        raise SpecError(*reader.faults, *_unknown_names(parts))
    return parts


def _unknown_names(parts: Mapping[str, Any]) -> list[Fault]:
    """Names in what axes set that nothing knows, whatever the study's other faults are."""
    if parts["base"] is None:
        return []
    found = axis_faults(parts["axes"], parts["base_mapping"])
    return list(dict.fromkeys(fault for fault in found if fault.what.startswith("unknown ")))


class _Reader:
    """Reads the keys of a study one by one and collects every fault."""

    def __init__(self, mapping: Mapping[Any, Any], changed: Collection[str]) -> None:
        self.mapping, self.changed = mapping, changed
        self.faults: list[Fault] = []

    def read(self) -> dict[str, Any]:
        for key in self.mapping:
            if key == "extends":
                self._fault("extends", "is allowed only in a study's file")
            else:
                self.faults += unknown_keys([key], KEYS)
        base = self._base()
        given = self._given()
        axes = self._axes(given)
        metric, matrix = self._shown(base)
        if matrix is not None:
            matrix = with_control_left(matrix, axes, self.changed)
            self.faults += control_faults(matrix, axes)
        return {
            "name": self._name(),
            "question": self._question(),
            "base": base,
            "base_mapping": self.mapping.get("base"),
            "axes": axes,
            "metric": metric,
            "matrix": matrix,
            "search": self._search(axes),
            "scheduler": self._component("scheduler", SCHEDULERS),
            "retries": self._retries(),
            "checkpoint": self._record("checkpoint", Checkpointing),
            "together": self._record("trial", Together),
            "variant": Variant(given=given),
        }

    def _fault(self, path: str, what: str, hint: str = "") -> None:
        self.faults.append(Fault(path, what, hint))

    def _typed(self, key: str, wanted: Any, *, default: object = None) -> Any:
        if key not in self.mapping:
            if default is None:
                self._fault(key, "is missing")
            return default
        try:
            return convert(self.mapping[key], wanted)
        except SpecError as error:
            self.faults.extend(error.under(key))
            return default

    def _name(self) -> object:
        name = self._typed("study", str)
        if isinstance(name, str) and not name.replace("-", "").replace("_", "").isalnum():
            self._fault("study", f"'{name}' is not a valid name", "use letters, digits, - and _")
        elif isinstance(name, str) and len(name) > LONGEST_NAME:
            what = f"has {len(name)} characters, a name may have {LONGEST_NAME}"
            self._fault("study", what, "put the rest into the question")
        elif name in RESERVED:
            what = f"'{name}' is the name of an experiment that every MLflow store has"
            self._fault("study", what, "give the study another name")
        return name

    def _question(self) -> object:
        question = self._typed("question", str)
        if isinstance(question, str) and len(question) > LONGEST_QUESTION:
            what = f"has {len(question):,} characters, more than {LONGEST_QUESTION:,}"
            self._fault("question", what, "write one sentence")
        return question

    def _base(self) -> TrainSpec | None:
        if "base" not in self.mapping:
            self._fault("base", "is missing: the trial that the axes vary")
            return None
        try:
            return TrainSpec.from_mapping(self.mapping["base"])
        except SpecError as error:
            self.faults.extend(error.under("base"))
            return None

    def _given(self) -> Given:
        try:
            return read_given(self.mapping.get("given", {}))
        except SpecError as error:
            self.faults.extend(error.under("given"))
            return Given()

    def _axes(self, given: Given) -> tuple[Axis, ...]:
        value = self.mapping.get("axes", [])
        if not isinstance(value, list):
            self._fault("axes", f"expected a list of axes, got {show(value)}")
            return ()
        axes: list[Axis] = []
        layers, network = self._layers()
        for index, entry in enumerate(value):
            name = entry.get("name", index) if isinstance(entry, Mapping) else index
            try:
                axis = read_axis(entry, layers=layers, network=network, orders=given.orders)
            except SpecError as error:
                self.faults.extend(error.under(f"axes.{name}"))
                continue
            axis = self._with_rows(axis, given)
            self._check_against(axis, axes)
            axes.append(axis)
        if not axes and not self.faults:
            self._fault("axes", "is empty: a study must vary something, at least the seed")
        return tuple(axes)

    def _with_rows(self, axis: Axis, given: Given) -> Axis:
        matrix = self.mapping.get("matrix")
        if not isinstance(matrix, Mapping) or matrix.get("rows") != axis.name:
            return axis
        try:
            return with_rows(axis, given)
        except SpecError as error:
            self.faults.extend(error.under("given"))
            return axis

    def _check_against(self, axis: Axis, others: list[Axis]) -> None:
        for other in others:
            if other.name == axis.name:
                self._fault(f"axes.{axis.name}", "two axes have this name")
            for path in sorted(other.paths & axis.paths):
                self._fault(f"axes.{axis.name}", f"sets {path}, which axis {other.name} sets too")

    def _layers(self) -> tuple[tuple[str, ...], str | None]:
        """The base model's layers and network, even if other parts of the base have faults."""
        base = self.mapping.get("base")
        try:
            model = bind("model", MODELS, base["model"]) if isinstance(base, Mapping) else None
            layers = model_layers(model) if model else ()
        except (SpecError, KeyError):
            return (), None
        return layers, network_of(model, num_layers=len(layers)) if model else None

    def _shown(self, base: TrainSpec | None) -> tuple[Metric | None, MatrixShape | None]:
        """The metric and the layout of the matrix; None for a part with faults."""
        entries = self.mapping.get("axes")
        metric, matrix, faults = read_shown(
            self.mapping,
            # Include axes with faults, so that the matrix may name them.
            axes=[
                str(entry.get("name"))
                for entry in (entries if isinstance(entries, list) else [])
                if isinstance(entry, Mapping)
            ],
            has_test=base is None or base.measure_test,
        )
        self.faults.extend(faults)
        return metric, matrix

    def _search(self, axes: tuple[Axis, ...]) -> Component | None:
        searched = [axis.name for axis in axes if axis.searched]
        component = self._component("search", SEARCHERS)
        if searched and "search" not in self.mapping:
            hint = "search: {name: optuna, num_samples: 16}"
            self._fault("search", f"is missing: axis {searched[0]} is searched", hint)
        if "search" in self.mapping and not searched and axes:
            self._fault("search", "searches nothing", "give an axis a range or choices")
        for axis in axes:
            if searched and not axis.searched and len(axis.points) > 1:
                what = f"has {len(axis.points)} values, but a search does not train each of them"
                self._fault(f"axes.{axis.name}", what, "write choices, or keep one value")
        return component

    def _component(self, key: str, table: Mapping[str, Callable[..., object]]) -> Component | None:
        if key not in self.mapping:
            return None
        try:
            component = bind(key, table, self.mapping[key])
            table[component.name](**component.options)
        except SpecError as error:
            self.faults.extend(error.under(key))
            return None
        return component

    def _retries(self) -> object:
        retries = self._typed("retries", int, default=1)
        if isinstance(retries, int) and retries < 0:
            self._fault("retries", f"must be 0 or more, got {retries}")
        return retries

    def _record(self, key: str, kind: Callable[..., T]) -> T | None:
        """The options of a key, as a record of that kind."""
        try:
            options: dict[str, Any] = bind_options(kind, self.mapping.get(key, {}), owner=key)
            return kind(**options)
        except SpecError as error:
            self.faults.extend(error.under(key))
            return None
