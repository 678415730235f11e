"""Options bound to a constructor's signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from trainers.binding import Component, Record, bind, convert, options_of, show
from trainers.errors import Fault, SpecError


class Scaled:
    """Stands for a constructor in a table: one argument of the engine's, options by keyword."""

    def __init__(
        self,
        latent: object,
        *,
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        clip: float | None = None,
        steps: Sequence[int] = (),
    ) -> None:
        self.given = (latent, rate, betas, clip, steps)


def bare() -> None:
    """A constructor without options."""


TABLE = {"scaled": Scaled, "bare": bare}


def test_options_are_the_keyword_only_parameters() -> None:
    assert list(options_of(Scaled)) == ["rate", "betas", "clip", "steps"]
    assert options_of(Scaled)["rate"].annotation is float
    assert options_of(bare) == {}


def test_bind_converts_sorts_and_keeps_only_what_differs_from_the_defaults() -> None:
    mapping = {"name": "scaled", "steps": [3], "rate": 1, "betas": [0.9, 0.999], "clip": None}
    bound = bind("part", TABLE, mapping)
    assert bound == Component("scaled", {"rate": 1.0, "steps": (3,)})
    assert list(bound.options) == ["rate", "steps"]
    assert isinstance(bound.options["rate"], float)


def test_bind_takes_a_bare_text_as_the_name() -> None:
    assert bind("part", TABLE, "bare") == Component("bare")


def test_bound_options_are_what_the_constructor_takes() -> None:
    bound = bind("part", TABLE, {"name": "scaled", "rate": 2, "clip": 1})
    assert Scaled("w", **bound.options).given == ("w", 2.0, (0.9, 0.999), 1.0, ())


@pytest.mark.parametrize(
    ("mapping", "path", "what"),
    [
        (None, "", r"expected a part as \{name: \.\.\.\}, got nothing"),
        ([1], "", r"expected a part as .*got the list \[1\]"),
        ({"rate": 1}, "name", "is missing: which part"),
        ({"name": "scald", "rate": 1}, "name", "unknown part 'scald', did you mean 'scaled'"),
        ({"name": 3}, "name", "unknown part '3'"),
        ({"name": ["bare"]}, "name", "unknown part"),
        ({"name": "scaled"}, "rate", "is missing: part 'scaled' needs it"),
        ({"name": "scaled", "rate": "x"}, "rate", "expected a number, got the text 'x'"),
        ({"name": "scaled", "rate": True}, "rate", "expected a number, got True"),
        ({"name": "scaled", "rate": 1, "beta": 2}, "beta", "did you mean 'betas'"),
        ({"name": "scaled", "rate": 1, "latent": 2}, "latent", "unknown option"),
        ({"name": "scaled", "rate": 1, 5: 2}, "5", "unknown option"),
        ({"name": "scaled", "rate": 1, "betas": [1]}, "betas", "expected 2 values, got 1"),
        ({"name": "scaled", "rate": 1, "betas": [1, "a"]}, "betas.1", "expected a number"),
        ({"name": "scaled", "rate": 1, "steps": [1.5]}, "steps.0", "expected a whole number"),
        ({"name": "scaled", "rate": 1, "steps": 4}, "steps", "expected a list, got 4"),
        ({"name": "scaled", "rate": 1, "clip": "a"}, "clip", "a number or nothing, got"),
        ({"name": "bare", "rate": 1}, "rate", "unknown option of part 'bare'"),
    ],
)
def test_bind_says_where_and_what_is_wrong(mapping: object, path: str, what: str) -> None:
    with pytest.raises(SpecError, match=what) as raised:
        bind("part", TABLE, mapping)
    assert [fault.path for fault in raised.value.faults] == [path]


def test_bind_reports_all_faults_at_once() -> None:
    with pytest.raises(SpecError, match="unknown option") as raised:
        bind("part", TABLE, {"name": "scaled", "speed": 1, "betas": ["a", "b"]})
    paths = [fault.path for fault in raised.value.faults]
    assert paths == ["speed", "betas.0", "betas.1", "rate"]


def test_bind_says_after_an_unknown_option_which_keys_live_elsewhere() -> None:
    with pytest.raises(SpecError, match="known: batch_size"):
        bind("part", TABLE, {"name": "bare", "rate": 1}, extra=", batch_size")


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (3, float, 3.0),
        (3, int, 3),
        ([1, [2, 3]], Any, [1, [2, 3]]),
        ([1, "fc1"], tuple[int | str, ...], (1, "fc1")),
        ((), Sequence[int], ()),
        (None, float | None, None),
        (2, float | None, 2.0),
        ("a", Literal["a", "b"], "a"),
        (False, bool, False),
    ],
)
def test_convert_gives_the_annotated_type(value: object, wanted: Any, expected: object) -> None:
    converted = convert(value, wanted)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted", "message"),
    [
        (1.0, int, "expected a whole number, got 1.0"),
        (True, int, "expected a whole number, got True"),
        (1, bool, "expected true or false, got 1"),
        ("1e-3", float, "expected a number, got the text '1e-3'"),
        (None, str, "expected a text, got nothing"),
        ("float3", Literal["float32"], "unknown value the text 'float3', did you mean 'float32'"),
    ],
)
def test_convert_refuses_another_type(value: object, wanted: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        convert(value, wanted)


def test_a_component_is_written_as_a_mapping_with_lists() -> None:
    component = Component("scaled", {"betas": (0.5, (1, 2))})
    assert component.to_mapping() == {"name": "scaled", "betas": [0.5, [1, 2]]}


def test_show_keeps_to_one_short_line() -> None:
    assert show({"a": 1}) == "the mapping {'a': 1}"
    assert len(show("x" * 500)) < 80
    assert show("x" * 500).endswith("...")


@dataclass(frozen=True, kw_only=True, slots=True)
class Corner(Record):
    """Stands for an option that is a mapping itself."""

    kind: ClassVar[str] = "corner"

    left: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        if self.left < 0:
            raise SpecError(Fault("left", "must be 0 or more"))


ORIGIN = Corner()


def cornered(*, at: Corner = ORIGIN) -> Corner:
    return at


CORNERED = {"cornered": cornered}


def test_a_mapping_becomes_the_record_that_an_option_declares() -> None:
    bound = bind("part", CORNERED, {"name": "cornered", "at": {"left": 3}})
    assert bound == Component("cornered", {"at": Corner(left=3)})
    assert hash(bound) == hash(Component("cornered", {"at": Corner(left=3)}))
    assert bound.to_mapping() == {"name": "cornered", "at": {"left": 3}}
    assert bind("part", CORNERED, bound.to_mapping()) == bound
    assert convert(Corner(left=1), Corner) == Corner(left=1)


def test_a_record_of_defaults_is_left_out() -> None:
    written = {"name": "cornered", "at": {"left": 0, "name": None}}
    assert bind("part", CORNERED, written) == bind("part", CORNERED, "cornered")


@pytest.mark.parametrize(
    ("value", "path", "what"),
    [
        ({"lef": 1}, "at.lef", "unknown option of corner, did you mean 'left'"),
        ({"left": "x"}, "at.left", "expected a whole number"),
        ({"left": -1}, "at.left", "must be 0 or more"),
        (5, "at", "expected a mapping with left, name, got 5"),
    ],
)
def test_a_fault_inside_a_record_has_its_place(value: object, path: str, what: str) -> None:
    with pytest.raises(SpecError, match=what) as raised:
        bind("part", CORNERED, {"name": "cornered", "at": value})
    assert [fault.path for fault in raised.value.faults] == [path]
