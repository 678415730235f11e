"""How a study differs from its file, and the tags, title and hash that follow from that."""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
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
    """Defines a member of `Variant`, with its tag, its texts and its part of the hash.

    Args:
        default: The value if the study is as in its file; falsy.
        tag: The MLflow tag; one of `vocabulary.VARIANT_TAGS`.
        text: Gives the tag's value.
        title: Gives the parts of the study's title, if the member is set.
        told: Gives what the user reads before a sweep, if the member is set; None: as `title`.
        on_cells: Whether the runs of cells have the tag, too, if the member is set.
        hashed: Gives what is added to the variant's id; None: nothing, because the change is
            visible in the base.
    """
    facts = {"tag": tag, "text": text, "title": title, "told": told or title}
    return field(default=default, metadata={**facts, "on_cells": on_cells, "hashed": hashed})


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """How a study differs from its file; the title lists the members in this order.

    Args:
        as_published: Whether `--as-published` applied the study's key `as_published`.
        overrides: The texts of `--set`, as the user wrote them.
        given: Results taken from an earlier study.
        epoch_scale: Factor in (0, 1) on all epochs, as decimal text; empty: no scaling.
        apart: The name under which `--apart` keeps its cells apart; empty: not kept apart.
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
        text=lambda overrides: json.dumps(changing(overrides)),
        title=lambda overrides: changing(overrides),
        told=lambda overrides: overrides,
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
        """Reads the variant from a command's flags.

        Raises:
            SpecError: If `--scale-epochs` is not a factor in (0, 1].
        """
        return cls(
            as_published=args.as_published,
            overrides=tuple(args.overrides),
            epoch_scale=checked_scale(args.scale_epochs),
            apart=args.apart or "",
        )

    @property
    def is_plain(self) -> bool:
        """Whether its cells are those of the study as in its file."""
        return replace(self, overrides=tuple(changing(self.overrides))) == Variant()

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the study's run: all of `vocabulary.VARIANT_TAGS`."""
        return {
            member.metadata["tag"]: member.metadata["text"](getattr(self, member.name))
            for member in fields(self)
        }

    @property
    def cell_tags(self) -> dict[str, str]:
        """Tags of the runs of its cells: only the members that are set."""
        return {
            facts["tag"]: facts["text"](value)
            for _, value, facts in self._set()
            if facts["on_cells"]
        }

    @property
    def content(self) -> dict[str, object]:
        """What the variant's id depends on in addition to the base."""
        # Always present, even if empty: it is older than the others, and ids must not change.
        content: dict[str, object] = {"epoch_scale": self.epoch_scale}
        for name, value, facts in self._set():
            if facts["hashed"] is not None:
                content[name] = facts["hashed"](value)
        return content

    def title(self, study: str) -> str:
        """The name of a study's run: the study's name, and how it differs from its file."""
        parts = [part for _, value, facts in self._set() for part in facts["title"](value)]
        return " · ".join([study, *parts])

    def told(self) -> list[str]:
        """How the study differs from its file, as texts for the user."""
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
        """Name, value and metadata of the members that differ from their default."""
        found = [(member, getattr(self, member.name)) for member in fields(self)]
        return [(member.name, value, member.metadata) for member, value in found if value]


def changing(overrides: Iterable[str]) -> list[str]:
    """The overrides that change trials or what is shown of them, as `checkpoint` does not."""
    return [text for text in overrides if not is_manner(text)]


def is_manner(override: str) -> bool:
    """Whether an override changes only how cells are trained: their trials are the same."""
    return override.partition("=")[0].strip().partition(".")[0] in vocabulary.MANNERS


def checked_scale(scale: str | float | None) -> str:
    """Checks a factor on all epochs and returns it as decimal text; empty for None and 1.

    Raises:
        SpecError: If it is not a factor in (0, 1].
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
