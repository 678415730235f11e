"""What a user wrote and we cannot use, as data and as a message with the way out."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")

LONGEST = {"path": 1000, "what": 1000, "hint": 2500}
"""Characters of a fault that are shown; a file may quote back megabytes of itself.

The layers of a deep network, which a hint lists, take up to 2,000.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where it stands, what it is, and what to write instead."""

    path: str
    what: str
    hint: str = ""

    def __post_init__(self) -> None:
        """Cuts what would fill more than a screen."""
        for name, most in LONGEST.items():
            text = getattr(self, name)
            if len(text) > most:
                object.__setattr__(self, name, f"{text[:most]}...")

    def under(self, prefix: str) -> "Fault":
        """The same fault, seen from the mapping that holds this one at `prefix`."""
        return replace(self, path=".".join(part for part in (prefix, self.path) if part))

    def __str__(self) -> str:
        """Path, finding and hint on one line."""
        text = f"{self.path}: {self.what}" if self.path else self.what
        return f"{text}; {self.hint}" if self.hint else text


class SpecError(ValueError):
    """Something a user wrote cannot be used; carries every fault found.

    Args:
        faults: The faults, or plain sentences that have no place of their own.
    """

    def __init__(self, *faults: Fault | str) -> None:
        self.faults: tuple[Fault, ...] = tuple(
            fault if isinstance(fault, Fault) else Fault("", fault) for fault in faults
        )
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def under(self, prefix: str) -> tuple[Fault, ...]:
        """The faults with `prefix` put before each path."""
        return tuple(fault.under(prefix) for fault in self.faults)


class UnknownNameError(SpecError):
    """A name is in no table; `options` holds those that are."""

    def __init__(self, kind: str, name: object, options: Iterable[str]) -> None:
        self.options = tuple(sorted(options))
        hint = f"known: {', '.join(self.options)}"
        super().__init__(Fault("", f"unknown {kind} '{name}'{did_you_mean(name, options)}", hint))


class MissingDataError(SpecError):
    """A data set is neither on this machine nor to be downloaded."""


class BadLossError(ArithmeticError):
    """The training loss is no finite number any more."""


def unknown_keys(keys: Iterable[object], known: Collection[str]) -> list[Fault]:
    """A fault for each key that is not known, with its nearest neighbour."""
    hint = f"known: {', '.join(known)}"
    return [
        Fault(str(key), f"unknown key{did_you_mean(key, known)}", hint)
        for key in keys
        if key not in known
    ]


def require_at_least(record: object, least: Mapping[str, float]) -> None:
    """Refuses a record with a field below its least value.

    Raises:
        SpecError: With a fault for each such field.
    """
    faults = [
        Fault(name, f"must be {low} or more, got {getattr(record, name)}")
        for name, low in least.items()
        if getattr(record, name) < low
    ]
    if faults:
        raise SpecError(*faults)


def did_you_mean(name: object, options: Iterable[str]) -> str:
    """A clause that names the nearest option, or nothing when none is near."""
    near = difflib.get_close_matches(str(name), list(options), n=1, cutoff=0.5)
    return f", did you mean '{near[0]}'?" if near else ""


def choose(kind: str, table: Mapping[str, T], name: str) -> T:
    """The table's entry of that name.

    Raises:
        UnknownNameError: If there is none; the message names the nearest.
    """
    # Whoever calls from a notebook may give anything.
    if isinstance(name, str) and name in table:
        return table[name]
    raise UnknownNameError(kind, name, table)
