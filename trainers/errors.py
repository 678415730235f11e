"""Errors in what a user wrote, as data and as messages that say what to do."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")

LONGEST = {"path": 1000, "what": 1000, "hint": 2500}
"""Most characters of each part of a fault; otherwise a message could quote megabytes of a file.

A hint may list all layers of a deep network, which takes up to 2,000.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it is, what is wrong, and what to write instead."""

    path: str
    what: str
    hint: str = ""

    def __post_init__(self) -> None:
        """Cuts parts that would fill more than a screen."""
        for name, most in LONGEST.items():
            text = getattr(self, name)
            if len(text) > most:
                object.__setattr__(self, name, f"{text[:most]}...")

    def under(self, prefix: str) -> "Fault":
        """Returns the fault with `prefix` in front of its path."""
        return replace(self, path=".".join(part for part in (prefix, self.path) if part))

    def __str__(self) -> str:
        """Path, fault and hint on one line."""
        text = f"{self.path}: {self.what}" if self.path else self.what
        return f"{text}; {self.hint}" if self.hint else text


class SpecError(ValueError):
    """Something a user wrote cannot be used; lists every fault found.

    Args:
        faults: Faults, or plain sentences without a path.
    """

    def __init__(self, *faults: Fault | str) -> None:
        self.faults: tuple[Fault, ...] = tuple(
            fault if isinstance(fault, Fault) else Fault("", fault) for fault in faults
        )
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def under(self, prefix: str) -> tuple[Fault, ...]:
        """Returns the faults with `prefix` in front of each path."""
        return tuple(fault.under(prefix) for fault in self.faults)


class UnknownNameError(SpecError):
    """A name is not in a table; `options` lists the known names."""

    def __init__(self, kind: str, name: object, options: Iterable[str]) -> None:
        self.options = tuple(sorted(options))
        hint = f"known: {', '.join(self.options)}"
        super().__init__(Fault("", f"unknown {kind} '{name}'{did_you_mean(name, options)}", hint))


class MissingDataError(SpecError):
    """A data set is missing on this machine and cannot be downloaded."""


class BadLossError(ArithmeticError):
    """The training loss is no longer finite."""


class OutOfMemoryError(RuntimeError):
    """The memory of the device does not suffice for the trial's batches."""


def unknown_keys(keys: Iterable[object], known: Collection[str]) -> list[Fault]:
    """Returns a fault for each unknown key, with the nearest known one."""
    hint = f"known: {', '.join(known)}"
    return [
        Fault(str(key), f"unknown key{did_you_mean(key, known)}", hint)
        for key in keys
        if key not in known
    ]


def require_at_least(record: object, least: Mapping[str, float]) -> None:
    """Checks that no field of a record is below its least value.

    Raises:
        SpecError: If any is; lists a fault for each.
    """
    faults = [
        Fault(name, f"must be {low} or more, got {getattr(record, name)}")
        for name, low in least.items()
        if getattr(record, name) < low
    ]
    if faults:
        raise SpecError(*faults)


def did_you_mean(name: object, options: Iterable[str]) -> str:
    """Returns a clause with the nearest option; empty if none is near."""
    near = difflib.get_close_matches(str(name), list(options), n=1, cutoff=0.5)
    return f", did you mean '{near[0]}'?" if near else ""


def choose(kind: str, table: Mapping[str, T], name: str) -> T:
    """Returns the table entry of this name.

    Raises:
        UnknownNameError: If there is none; the message suggests the nearest name.
    """
    # A caller in a notebook may pass a value of any type.
    if isinstance(name, str) and name in table:
        return table[name]
    raise UnknownNameError(kind, name, table)
