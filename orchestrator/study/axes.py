"""The axes of a study: what each of their values sets in the base trial."""

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.study.order_axes import read_controls, read_permutations, read_single_layers
from orchestrator.study.points import Base, Value
from trainers.binding import QUOTE, convert, show
from trainers.errors import Fault, SpecError, unknown_keys

LONGEST_NAME = 60
"""Most characters in an axis's name: the limit that MLflow's params and tags leave."""
LONGEST_LABEL = 5000
"""Most characters in a label: what a tag or a param of any MLflow store holds."""
MOST_WHOLE = 2**53
"""Largest whole number of a range: samplers count in floating point."""
FORMS = ("values", "permutations", "single_layers", "seeds", "range", "choices")
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of characters, and ends of lines."""
_KNOWN = ("name", "sets", *FORMS, "controls")


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A range of numbers to search.

    Args:
        low: Smallest number; whole with `integer`.
        high: Largest number; whole with `integer`, and included then.
        log: Draw uniformly on a logarithmic scale.
        integer: Draw whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One dimension of a study.

    Args:
        name: Its name in tables and in `--trial NAME=LABEL`.
        points: What each label sets; empty if the axis searches a range.
        searched: Whether a searcher draws from the axis; else every value is trained.
        sets: The key path that a searched range sets.
        domain: The searched range.
        controls: Labels of the controls beside orders.
    """

    name: str
    points: Mapping[str, Value] = field(default_factory=dict)
    searched: bool = False
    sets: str = ""
    domain: Range | None = None
    controls: tuple[str, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The key paths that at least one value of the axis sets."""
        return frozenset({self.sets} - {""}).union(*self.points.values())

    @property
    def own_paths(self) -> frozenset[str]:
        """The key paths that every value of the axis sets, so the base's value never counts."""
        points = [frozenset(point) for point in self.points.values()]
        return frozenset.intersection(*points) if points else frozenset({self.sets})

    def extremes(self, *, inwards: int = 0) -> Mapping[str, Value]:
        """The points to check: every point, or both ends of a range.

        Args:
            inwards: Move the ends of a range of whole numbers towards each other by this much.
        """
        if self.domain is None:
            return self.points
        low, high = self.domain.low, self.domain.high
        step = min(inwards, int(high - low)) if self.domain.integer else 0
        ends = (low + step, high - step)
        return {label_of(end): {self.sets: end} for end in ends}


def label_of(value: object) -> str:
    """The label of a value in tables: numbers with six digits, lists joined by hyphens."""
    if isinstance(value, list | tuple):
        return "-".join(label_of(item) for item in value) or "none"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_axis(
    mapping: object,
    *,
    layers: Sequence[str],
    network: str | None = None,
    orders: Mapping[str, tuple[int, ...]] | None = None,
) -> Axis:
    """Reads one entry of a study file's `axes`.

    Args:
        mapping: The entry of `axes`.
        layers: The base model's layers in forward order; empty if the model is unknown.
        network: The network whose named orders `permutations` accepts; None: no named orders.
        orders: More named orders; they take precedence over those of the network.

    Raises:
        SpecError: With every fault, paths relative to the entry.
    """
    if not isinstance(mapping, Mapping):
        raise SpecError(f"expected an axis as a mapping, got {show(mapping)}")
    faults = unknown_keys(mapping, _KNOWN)
    name, sets = mapping.get("name"), mapping.get("sets")
    if not isinstance(name, str) or not name or not name.replace("_", "").isalnum():
        what = f"expected a name of letters, digits and _, got {show(name)}"
        faults.append(Fault("name", what, "" if isinstance(name, str) else QUOTE))
    elif len(name) > LONGEST_NAME:
        what = f"has {len(name)} characters, a name may have {LONGEST_NAME}"
        faults.append(Fault("name", what))
    if sets is not None and not isinstance(sets, str):
        faults.append(Fault("sets", f"expected a key path such as optimizer.lr, got {show(sets)}"))
    forms = [form for form in FORMS if form in mapping]
    if len(forms) != 1:
        found = " and ".join(forms) if forms else "none"
        faults.append(Fault("", f"needs exactly one of {', '.join(FORMS)}; found {found}"))
    if faults:
        raise SpecError(*faults)
    (form,) = forms
    try:
        parts = _READERS[form](mapping[form], sets, Base(tuple(layers), network, orders or {}))
    except SpecError as error:
        raise SpecError(*error.under(form)) from error
    if "controls" in mapping:
        controls = read_controls(mapping["controls"], sets, layers)
        if both := sorted(controls.keys() & parts.get("points", {}).keys()):
            what = f"{both[0]} is also the label of a value of this axis"
            raise SpecError(Fault("controls", what, "give the value another label"))
        parts["points"] = {**controls, **parts.get("points", {})}
        parts["controls"] = tuple(controls)
    if label_faults := _label_faults(parts.get("points", {})):
        raise SpecError(*(fault.under(form) for fault in label_faults))
    if form == "permutations" and not parts["points"]:
        raise SpecError(Fault(form, "is empty: an axis needs one order or control"))
    return Axis(name=str(name), **parts)


def _label_faults(labels: Iterable[str]) -> list[Fault]:
    """A fault for each label that a line, a tag or a param cannot hold."""
    faults: list[Fault] = []
    for label in labels:
        bad = next((sign for sign in label if unicodedata.category(sign) in _NO_TEXT), None)
        if not label.strip():
            faults.append(Fault("", f"expected a label, got {show(label)}", "give it a name"))
        elif bad is not None:
            what = f"the label {show(label)} has a control character, U+{ord(bad):04X}"
            faults.append(Fault("", what, "a label is one line of text"))
        elif len(label) > LONGEST_LABEL:
            num = f"{len(label):,} characters, more than {LONGEST_LABEL:,}"
            hint = "give the value a short one: values: {short: ...}"
            faults.append(Fault("", f"the label {show(label)} has {num}", hint))
    return faults


def seed_axis(seeds: Sequence[int]) -> Axis:
    """An axis named `seed` over these seeds."""
    return Axis(name="seed", points={str(seed): {"seed": seed} for seed in seeds})


def _read_values(value: object, sets: str | None, base: Base) -> dict[str, Mapping[str, Value]]:
    if isinstance(value, Mapping):
        labelled = [(label_of(label), item) for label, item in value.items()]
    elif isinstance(value, list):
        labelled = [(label_of(item), item) for item in value]
    else:
        raise SpecError(f"expected a list, or a mapping of labels to values, got {show(value)}")
    if not labelled:
        raise SpecError("is empty: an axis needs one value or more")
    points: dict[str, Value] = {}
    faults: list[Fault] = []
    for label, item in labelled:
        if label in points:
            hint = "give each its label: {first: ..., second: ...}"
            faults.append(Fault("", f"the value {label} appears twice", hint))
        elif sets is not None:
            points[label] = {sets: item}
        elif isinstance(item, Mapping) and item and all(isinstance(key, str) for key in item):
            points[label] = dict(item)
        else:
            hint = "say what the axis sets, or give each label a mapping of key paths to values"
            faults.append(Fault(label, f"sets nothing: got {show(item)}", hint))
    if faults:
        raise SpecError(*faults)
    return {"points": points}


def _read_seeds(value: object, sets: str | None, base: Base) -> dict[str, Mapping[str, Value]]:
    seeds = convert(value, tuple[int, ...])
    assert isinstance(seeds, tuple)
    if sets is not None and sets != "seed":
        raise SpecError(f"set the seed; this axis says sets: {sets}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise SpecError(f"expected different seeds, one or more, got {list(seeds)}")
    return {"points": {str(seed): {"seed": seed} for seed in seeds}}


def _read_choices(value: object, sets: str | None, base: Base) -> dict[str, Any]:
    return {**_read_values(value, sets, base), "searched": True}


def _read_range(value: object, sets: str | None, base: Base) -> dict[str, Any]:
    if sets is None:
        raise SpecError("needs the axis to say what it sets, such as sets: optimizer.lr")
    if not isinstance(value, Mapping):
        raise SpecError(f"expected {{low: ..., high: ..., log: true}}, got {show(value)}")
    wanted: Mapping[str, Any] = {"low": float, "high": float, "log": bool, "integer": bool}
    faults = unknown_keys(value, wanted)
    read: dict[str, Any] = {}
    for key, kind in wanted.items():
        if key not in value:
            if kind is float:
                faults.append(Fault(key, "is missing"))
            continue
        try:
            read[key] = convert(value[key], kind)
        except SpecError as error:
            faults.extend(error.under(key))
    if not faults and read.get("integer"):
        faults += _whole_ends(value, read)
    if not faults and not math.isfinite(read["high"] - read["low"]):
        faults.append(Fault("high", f"is too far from low ({read['low']}), got {read['high']}"))
    if not faults and not read["low"] < read["high"]:
        faults.append(Fault("high", f"must be above low ({read['low']}), got {read['high']}"))
    if not faults and read.get("log") and read["low"] <= 0:
        faults.append(Fault("low", f"must be positive with log: true, got {read['low']}"))
    if faults:
        raise SpecError(*faults)
    return {"sets": sets, "searched": True, "domain": Range(**read)}


def _whole_ends(value: Mapping[Any, Any], read: dict[str, Any]) -> list[Fault]:
    """Makes both ends of a range whole numbers, as their key path may take no others."""
    faults: list[Fault] = []
    for key in ("low", "high"):
        if not float(read[key]).is_integer():
            hint = "write a whole number, or leave out integer"
            faults.append(Fault(key, f"expected a whole number, got {show(value[key])}", hint))
        elif abs(read[key]) > MOST_WHOLE:
            what = f"is beyond {MOST_WHOLE:,}, got {show(value[key])}"
            faults.append(Fault(key, what, "a range of whole numbers ends there"))
        else:
            read[key] = int(read[key])
    return faults


_READERS: Mapping[str, Callable[[object, str | None, Base], dict[str, Any]]] = {
    "values": _read_values,
    "permutations": read_permutations,
    "single_layers": read_single_layers,
    "seeds": _read_seeds,
    "choices": _read_choices,
    "range": _read_range,
}
