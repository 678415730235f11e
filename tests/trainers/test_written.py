"""Records as plain values: what is left out, and where the rest stands."""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

import pytest

from trainers.binding import Component, Record
from trainers.written import ALWAYS, BY_KIND, IN_FULL, INLINE, WHERE, default_of, plain, written


@dataclass(frozen=True, kw_only=True, slots=True)
class Corner(Record):
    """A part with a key of its own."""

    kind: ClassVar[str] = "round"

    radius: float = 0.5
    sides: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One field of every sort."""

    component: Component = field(metadata=INLINE)
    size: int
    seed: int = field(default=3, metadata=ALWAYS)
    shown: str = field(default="plain", metadata=IN_FULL)
    later: float = 1.0
    corner: Corner = field(default_factory=Corner)
    edge: Corner | None = field(default=None, metadata=BY_KIND)
    nested: "Shape | None" = None
    file: str = field(default="", metadata=WHERE)


def _shape(**changes: Any) -> Shape:
    return Shape(**{"component": Component("square"), "size": 1} | changes)


def test_what_has_its_default_is_left_out_unless_its_field_says_otherwise() -> None:
    assert written(_shape()) == {"name": "square", "size": 1, "seed": 3, "shown": "plain"}
    assert written(_shape(), full=False) == {"name": "square", "size": 1, "seed": 3}


@pytest.mark.parametrize("full", [True, False])
def test_what_was_set_is_there_always(full: bool) -> None:
    shape = _shape(
        component=Component("square", {"grey": True, "at": (1, (2,))}),
        seed=4,
        shown="thick",
        later=2.0,
        corner=Corner(sides=(1, 2)),
        edge=Corner(),
    )
    assert written(shape, full=full) == {
        "name": "square",
        "grey": True,
        "at": [1, [2]],
        "size": 1,
        "seed": 4,
        "shown": "thick",
        "later": 2.0,
        "corner": {"sides": [1, 2]},
        # Named by its kind; it is there, though it has nothing but defaults.
        "round": {},
    }


def test_what_is_left_out_of_a_whole_is_left_out_of_its_parts() -> None:
    shape = _shape(nested=_shape(size=2))
    assert written(shape)["nested"]["shown"] == "plain"
    assert "shown" not in written(shape, full=False)["nested"]


def test_where_something_lies_is_left_out_at_every_depth_if_asked_for() -> None:
    shape = _shape(file="here", nested=_shape(file="there"))
    assert written(shape)["file"] == "here"
    assert written(shape)["nested"]["file"] == "there"
    placeless = written(shape, places=False)
    assert placeless == written(_shape(nested=_shape()))


def test_a_default_is_the_one_of_the_field_or_what_its_factory_makes() -> None:
    defaults = {item.name: default_of(item) for item in fields(Shape)}
    assert defaults["component"] is defaults["size"] is MISSING
    assert (defaults["seed"], defaults["corner"], defaults["edge"]) == (3, Corner(), None)


def test_lists_and_mappings_are_those_of_yaml() -> None:
    assert plain((1, ("a", ()))) == [1, ["a", []]]
    assert plain({"a": (1,), "b": Corner(radius=1.0)}) == {"a": [1], "b": {"radius": 1.0}}
    assert plain(None) is None
