"""In what a study differs from its file: one object, and all that follows from it."""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, TypeVar

from orchestrator import vocabulary
from orchestrator.study.given import Given
from trainers.errors import Fault, SpecError

T = TypeVar("T")


def _member(
    default: T,
    *,
    tag: str,
    text: Callable[[T], str],
    title: Callable[[T], Iterable[str]],
    told: Callable[[T], Iterable[str]] | None = None,
    on_cells: bool = False,
    hashed: Callable[[T], object] | None = None,
) -> T:
    """A member of `Variant`, with all that depends on it.

    Args:
        default: Its value where nothing differs; falsy.
        tag: Its tag in MLflow; one of `vocabulary.VARIANT_TAGS`.
        text: What that tag says.
        title: What the study's title says, if it is set.
        told: What a person is told before a sweep, if it is set; None: the same.
        on_cells: Whether the runs of cells have the tag too, where it is set.
        hashed: What it adds to the identity of the variant; None: nothing, because it shows in
            the base.
    """
    facts = {"tag": tag, "text": text, "title": title, "told": told or title}
    return field(default=default, metadata={**facts, "on_cells": on_cells, "hashed": hashed})


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """In what a study differs from its file; the order of the members is that of its title.

    Args:
        as_published: Whether `--as-published` put in what the study's key `as_published` says.
        overrides: What `--set` changed, as it was written.
        given: What it takes over from an earlier study.
        epoch_scale: Factor in (0, 1) on all epochs, as the user wrote it; empty: none.
        apart: The name under which `--apart` keeps its cells apart; empty: not.
    """

    as_published: bool = _member(
        False,
        tag=vocabulary.AS_PUBLISHED,
        text=lambda is_set: "true" if is_set else "",
        title=lambda _: ["as published"],
        on_cells=True,
    )
    overrides: tuple[str, ...] = _member(
        (),
        tag=vocabulary.OVERRIDES,
        text=lambda overrides: json.dumps(list(overrides)),
        title=lambda overrides: overrides,
    )
    given: Given = _member(
        Given(),
        tag=vocabulary.GIVEN,
        text=lambda given: json.dumps(given.to_mapping()) if given else "",
        title=lambda _: ["as its protocol found"],
        told=lambda _: [],
        hashed=Given.to_mapping,
    )
    epoch_scale: str = _member(
        "",
        tag=vocabulary.EPOCH_SCALE,
        text=str,
        title=lambda scale: [f"{scale} of the epochs"],
        told=lambda scale: [f"{scale} of all epochs; kept apart from full runs"],
        on_cells=True,
        hashed=str,
    )
    apart: str = _member(
        "",
        tag=vocabulary.APART,
        text=str,
        title=lambda name: [f"apart: {name}"],
        told=lambda name: [f"kept apart as {name}"],
        on_cells=True,
        hashed=str,
    )

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "Variant":
        """What the flags of a command ask for.

        Raises:
            SpecError: If the factor on the epochs is none.
        """
        return cls(
            as_published=args.as_published,
            overrides=tuple(args.overrides),
            epoch_scale=checked_scale(args.scale_epochs),
            apart=args.apart or "",
        )

    @property
    def is_plain(self) -> bool:
        """Whether the study is as its file has it."""
        return not self._set()

    @property
    def tags(self) -> dict[str, str]:
        """Of the run of the study: every one of `vocabulary.VARIANT_TAGS`."""
        return {
            member.metadata["tag"]: member.metadata["text"](getattr(self, member.name))
            for member in fields(self)
        }

    @property
    def cell_tags(self) -> dict[str, str]:
        """Of the runs of its cells: what is set."""
        return {
            facts["tag"]: facts["text"](value)
            for _, value, facts in self._set()
            if facts["on_cells"]
        }

    @property
    def content(self) -> dict[str, object]:
        """What it adds to the identity of a variant, beside the base."""
        # Written down also where it is empty since before there were other members.
        content: dict[str, object] = {"epoch_scale": self.epoch_scale}
        for name, value, facts in self._set():
            if facts["hashed"] is not None:
                content[name] = facts["hashed"](value)
        return content

    def title(self, study: str) -> str:
        """What the run of a study is called: its name, and in what it differs from its file."""
        parts = [part for _, value, facts in self._set() for part in facts["title"](value)]
        return " · ".join([study, *parts])

    def told(self) -> list[str]:
        """In what the study differs from its file, for people."""
        return [part for _, value, facts in self._set() for part in facts["told"](value)]

    def to_mapping(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "as_published": self.as_published,
            "overrides": list(self.overrides),
            "given": self.given.to_mapping() if self.given else {},
            "epoch_scale": self.epoch_scale,
            "apart": self.apart,
        }

    def _set(self) -> Sequence[tuple[str, Any, Mapping[str, Any]]]:
        """Name, value and facts of the members that differ from their default."""
        found = [(member, getattr(self, member.name)) for member in fields(self)]
        return [(member.name, value, member.metadata) for member, value in found if value]


def checked_scale(scale: str | float | None) -> str:
    """A factor on all epochs as a decimal text; empty for None and 1.

    Raises:
        SpecError: If it is no factor in (0, 1].
    """
    if scale is None:
        return ""
    try:
        factor = Fraction(str(scale))
    except (ValueError, ZeroDivisionError):
        raise SpecError(Fault("--scale-epochs", f"expected a number, got '{scale}'")) from None
    if not 0 < factor <= 1:
        raise SpecError(Fault("--scale-epochs", f"expected a factor in (0, 1], got {scale}"))
    return "" if factor == 1 else f"{float(factor):.12g}"
