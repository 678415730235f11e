"""Chooses a table entry by name and binds its options to the constructor's signature.

Options are the keyword-only parameters of a constructor; the engine supplies the positional ones
(the parameters an optimizer updates, the latent weight of a binarizer). So the signature is the
complete schema of its part of a spec, and nothing is written twice.
"""

import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar

from trainers.errors import Fault, SpecError, UnknownNameError, choose, did_you_mean
from trainers.written import INLINE, written

T = TypeVar("T")

QUOTE = "quote it if it is a text"
"""What to do where a file's text was read as a number, a date, or true or false."""


class Record:
    """An option that is itself a mapping: a frozen, keyword-only dataclass with all defaults."""

    __slots__ = ()

    kind: ClassVar[str]
    """Name in messages."""

    @classmethod
    def from_mapping(cls, value: object) -> Self:
        """Reads the mapping in a study file.

        Raises:
            SpecError: Lists every fault; paths are relative to the mapping.
        """
        make: Callable[..., Self] = cls
        return make(**bind_options(cls, value, owner=cls.kind))

    def to_mapping(self) -> dict[str, object]:
        """Returns the mapping for a study file, without defaults."""
        return written(self)


Value = bool | int | float | str | None | Record | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Component:
    """A name from a table, with keyword arguments for its constructor."""

    name: str
    options: Mapping[str, Value] = field(default_factory=dict, metadata=INLINE)

    def __hash__(self) -> int:
        """Hashes name and options, in sorted order."""
        return hash((self.name, tuple(sorted(self.options.items()))))

    def to_mapping(self) -> dict[str, object]:
        """Returns name and options in one mapping, as in a study file."""
        return written(self)


@lru_cache(maxsize=256)
def options_of(entry: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Returns the keyword-only parameters of a constructor, with annotations as types."""
    target = entry.__init__ if inspect.isclass(entry) else entry
    hints = typing.get_type_hints(target)
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(entry).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def option(name: str, wanted: Any, *, default: Value = None) -> inspect.Parameter:
    """Makes an option with this name, type and default, for `bind_to`."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=wanted)


def bind(
    kind: str, table: Mapping[str, Callable[..., object]], mapping: object, *, extra: str = ""
) -> Component:
    """Checks a mapping `{name: ..., option: ...}` against a table.

    The result omits options that equal their default, so writing a default does not make another
    trial.

    Args:
        kind: What the table holds, for messages ("model").
        table: Constructors by name.
        mapping: What the user wrote; a bare text is the name.
        extra: Text after the list of known options, for keys that are read elsewhere.

    Raises:
        SpecError: Lists every fault; paths are relative to the mapping.
    """
    if isinstance(mapping, str):
        mapping = {"name": mapping}
    if not isinstance(mapping, Mapping):
        raise SpecError(Fault("", f"expected a {kind} as {{name: ...}}, got {show(mapping)}"))
    if "name" not in mapping:
        raise SpecError(Fault("name", f"is missing: which {kind}?", f"known: {_names(table)}"))
    name = mapping["name"]
    if not isinstance(name, str) or name not in table:
        raise SpecError(*UnknownNameError(kind, name, table).under("name"))
    given = {key: value for key, value in mapping.items() if key != "name"}
    return component(kind, table, name, given, extra=extra)


def make(
    kind: str,
    table: Mapping[str, Callable[..., T]],
    name: str,
    *arguments: object,
    options: Mapping[str, object],
) -> T:
    """Makes a table's entry; checks its options first.

    Args:
        kind: What the table holds, for messages ("model").
        table: Constructors by name.
        name: A key of the table.
        arguments: Positional arguments of the constructor.
        options: Its keyword arguments.

    Raises:
        UnknownNameError: If there is no such entry.
        SpecError: Lists every option that is unknown, missing, or of another type.
    """
    checked = component(kind, table, name, options)
    return table[name](*arguments, **checked.options)


def component(
    kind: str,
    table: Mapping[str, Callable[..., object]],
    name: str,
    options: Mapping[str, object],
    *,
    extra: str = "",
) -> Component:
    """Checks the options of a table's entry; the result omits options that equal their default.

    Args:
        kind: What the table holds, for messages ("model").
        table: Constructors by name.
        name: A key of the table.
        options: Keyword arguments for its entry.
        extra: Text after the list of known options, for keys that are read elsewhere.

    Raises:
        UnknownNameError: If there is no such entry.
        SpecError: Lists every option that is unknown, missing, or of another type.
    """
    entry = choose(kind, table, name)
    bound = bind_options(entry, options, owner=f"{kind} '{name}'", extra=extra)
    return Component(name, dict(sorted(bound.items())))


def names_in(kind: str, value: object) -> tuple[str, ...]:
    """Returns the names in a list or another iterable.

    Raises:
        SpecError: If the value is not iterable, or is a text, whose letters would pass as names.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise SpecError(f"expected a list of names, each of a {kind}, got {show(value)}")
    return tuple(value)


def bind_options(
    entry: Callable[..., object], mapping: object, *, owner: str, extra: str = ""
) -> dict[str, Value]:
    """Returns the keyword arguments for a constructor, converted to the types it declares.

    The result omits options that equal their default.

    Args:
        entry: The constructor.
        mapping: What the user wrote.
        owner: What the options belong to, for messages.
        extra: Text after the list of known options, for keys that are read elsewhere.

    Raises:
        SpecError: Lists every fault; paths are relative to the mapping.
    """
    return bind_to(options_of(entry), mapping, owner=owner, extra=extra)


def bind_to(
    accepted: Mapping[str, inspect.Parameter], mapping: object, *, owner: str, extra: str = ""
) -> dict[str, Value]:
    """Like `bind_options`, for options that do not come from a single constructor.

    Args:
        accepted: The options by name, from `options_of` and `option`.
        mapping: What the user wrote.
        owner: What the options belong to, for messages.
        extra: Text after the list of known options, for keys that are read elsewhere.

    Raises:
        SpecError: Lists every fault; paths are relative to the mapping.
    """
    if not isinstance(mapping, Mapping):
        raise SpecError(f"expected a mapping with {_names(accepted)}, got {show(mapping)}")
    faults: list[Fault] = []
    options: dict[str, Value] = {}
    for key, value in mapping.items():
        if key not in accepted:
            what = f"unknown option of {owner}{did_you_mean(key, accepted)}"
            known = f"{_names(accepted)}{extra}".removeprefix(", ")
            faults.append(Fault(str(key), what, f"known: {known or 'none'}"))
            continue
        try:
            bound = convert(value, accepted[key].annotation)
        except SpecError as error:
            faults.extend(error.under(str(key)))
            continue
        if bound != accepted[key].default:
            options[key] = bound
    for key, parameter in accepted.items():
        if parameter.default is inspect.Parameter.empty and key not in mapping:
            faults.append(Fault(key, f"is missing: {owner} needs it"))
    if faults:
        raise SpecError(*faults)
    return options


def convert(value: object, wanted: Any) -> Value:
    """Converts a value to the annotated type: lists to tuples, whole numbers to floats.

    Numbers and sequences of other libraries become Python's own.

    Raises:
        SpecError: If the value has another type; the path is the place inside a list.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments)
    if origin is typing.Literal:
        if value in arguments:
            return typing.cast(Value, value)
        near = did_you_mean(value, [str(item) for item in arguments])
        known = ", ".join(str(item) for item in arguments)
        raise SpecError(Fault("", f"unknown value {show(value)}{near}", f"known: {known}"))
    if origin in (tuple, Sequence):
        return _convert_sequence(value, arguments)
    if isinstance(wanted, type) and issubclass(wanted, Record):
        if isinstance(value, wanted):
            return value
        return wanted.from_mapping(value)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if wanted is int and is_number and isinstance(value, numbers.Integral):
        return int(value)
    if wanted is float and is_number:
        return _finite(value)
    exact = wanted in (bool, str) and type(value) is wanted
    if exact or (wanted is type(None) and value is None) or wanted is Any:
        return typing.cast(Value, value)
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    is_plain = not (value is None or isinstance(value, Mapping | Sequence))
    hint = QUOTE if wanted is str and is_plain else ""
    raise SpecError(Fault("", f"expected {names.get(wanted, wanted)}, got {show(value)}", hint))


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SpecError(Fault("", f"expected a finite number, got {show(value)}"))
    return number


def _convert_union(value: object, arguments: tuple[Any, ...]) -> Value:
    found: list[tuple[Fault, ...]] = []
    for argument in arguments:
        try:
            return convert(value, argument)
        except SpecError as error:
            if argument is not type(None):
                found.append(error.faults)
    # A fault inside a record or a list has a path, which says more than the others.
    inside = next((faults for faults in found if any(fault.path for fault in faults)), None)
    if inside is not None:
        raise SpecError(*inside)
    first = found[0][0]
    what = first.what
    if type(None) in arguments:
        what = what.replace(", got ", " or nothing, got ", 1)
    raise SpecError(Fault("", what, first.hint))


def _convert_sequence(value: object, arguments: tuple[Any, ...]) -> Value:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise SpecError(Fault("", f"expected a list, got {show(value)}"))
    open_ended = len(arguments) == 1 or arguments[-1] is Ellipsis
    if not open_ended and len(value) != len(arguments):
        raise SpecError(Fault("", f"expected {len(arguments)} values, got {len(value)}"))
    items: list[Value] = []
    faults: list[Fault] = []
    for index, item in enumerate(value):
        try:
            items.append(convert(item, arguments[0] if open_ended else arguments[index]))
        except SpecError as error:
            faults.extend(error.under(str(index)))
    if faults:
        raise SpecError(*faults)
    return tuple(items)


def show(value: object) -> str:
    """Returns what the user wrote, with its type, cut to one line."""
    if value is None:
        return "nothing"
    kinds: dict[type, str] = {str: "the text", dict: "the mapping", list: "the list"}
    text = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return f"{kinds.get(type(value), '')} {text}".strip()


def _names(table: Mapping[str, object]) -> str:
    return ", ".join(sorted(table))
