"""The little of pytest that the tests of stored numbers use, where pytest is not installed.

`install` puts it in pytest's place, for modules that are loaded after that. `cases` finds the
tests of a file, one for each set of parameters, with the fixtures they ask for.
"""

import importlib.util
import inspect
import itertools
import math
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Skipped(Exception):
    """A test that says that it does not apply."""


@dataclass(frozen=True)
class Param:
    """One set of parameters with a name of its own."""

    values: tuple[Any, ...]


class Approx:
    """Equal to what is near: numbers within a share, or a least difference, of the expected."""

    def __init__(self, expected: Any, rel: float = 1e-6, abs: float = 1e-12) -> None:
        self.expected, self.rel, self.abs = expected, rel, abs

    def __eq__(self, actual: object) -> bool:
        return self._is_near(self.expected, actual)

    def __repr__(self) -> str:
        return f"{self.expected} (to {self.rel:g})"

    def _is_near(self, expected: Any, actual: Any) -> bool:
        if isinstance(expected, Sequence) and not isinstance(expected, str):
            return len(expected) == len(actual) and all(map(self._is_near, expected, actual))
        if isinstance(expected, Mapping):
            return expected.keys() == actual.keys() and all(
                self._is_near(value, actual[key]) for key, value in expected.items()
            )
        if not isinstance(expected, int | float):
            return bool(expected == actual)
        return math.isclose(actual, expected, rel_tol=self.rel, abs_tol=self.abs)

    __hash__ = None  # type: ignore[assignment]


class _Mark:
    """`pytest.mark`: parameters and conditions count, all other marks say nothing here."""

    def parametrize(
        self, names: str | Sequence[str], values: Any, **_: Any
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
        sets = []
        for value in values:
            given = value.values if isinstance(value, Param) else value
            if not isinstance(value, Param) and len(keys) == 1:
                given = (value,)
            sets.append(dict(zip(keys, given, strict=True)))

        def marked(test: Callable[..., None]) -> Callable[..., None]:
            vars(test).setdefault("_parameters", []).append(sets)
            return test

        return marked

    def skipif(self, condition: bool, **_: Any) -> Callable[[Any], Any]:
        def marked(test: Callable[..., None]) -> Callable[..., None]:
            vars(test)["_is_skipped"] = condition or vars(test).get("_is_skipped", False)
            return test

        return marked

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **_: args[0] if args and callable(args[0]) else lambda test: test


def _fixture(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    if function is None:
        return _fixture
    vars(function)["_is_fixture"] = True
    return function


def _approx(expected: Any, rel: float | None = None, abs: float | None = None) -> Approx:
    # As pytest has it: whoever names a difference alone means it alone.
    share = rel if rel is not None else (1e-6 if abs is None else 0.0)
    return Approx(expected, share, 1e-12 if abs is None else abs)


@contextmanager
def _raises(kind: type[BaseException], match: str = "") -> Iterator[None]:
    told = None
    try:
        yield
    except kind as error:
        told = str(error)
    assert told is not None, f"no {kind.__name__} was raised"
    assert re.search(match, told), f"{match!r} is not in {told!r}"


def _skip(reason: str = "") -> None:
    raise Skipped(reason)


def install() -> None:
    """Puts the stand-in where `import pytest` finds it."""
    module = types.ModuleType("pytest")
    vars(module).update(
        approx=_approx,
        fixture=_fixture,
        mark=_Mark(),
        param=lambda *values, **_: Param(values),
        raises=_raises,
        skip=_skip,
    )
    sys.modules["pytest"] = module


def load(path: Path) -> types.ModuleType:
    """Loads a module from its file, under a name that no other module has."""
    name = "_".join(("tests", *path.parts[-3:])).removesuffix(".py")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@dataclass(frozen=True)
class Case:
    """A test with one set of parameters."""

    name: str
    test: Callable[..., None]
    parameters: Mapping[str, Any]
    fixtures: "Fixtures"

    def run(self) -> None:
        """Calls the test.

        Raises:
            Skipped: If it does not apply.
        """
        if vars(self.test).get("_is_skipped"):
            raise Skipped(self.name)
        self.test(**self.fixtures.arguments(self.test, self.parameters))


@dataclass
class Fixtures:
    """Fixtures by name, those of the file in front of those beside it; each is made once."""

    known: Mapping[str, Callable[..., Any]]
    made: dict[str, Any] = field(default_factory=dict)

    def arguments(self, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """What the function asks for by the names of its parameters."""
        asked = inspect.signature(function).parameters
        return {name: given[name] if name in given else self._value(name) for name in asked}

    def _value(self, name: str) -> Any:
        if name not in self.made:
            self.made[name] = self.known[name](**self.arguments(self.known[name], {}))
        return self.made[name]


def cases(path: Path) -> list[Case]:
    """The tests of a file, in its order, with the fixtures of the nearest two `conftest.py`."""
    module = load(path)
    known: dict[str, Any] = {}
    shared = [folder / "conftest.py" for folder in (path.parent.parent, path.parent)]
    for of_module in (*map(load, filter(Path.is_file, shared)), module):
        known |= {name: it for name, it in vars(of_module).items() if _is_fixture(it)}
    found = []
    fixtures = Fixtures(known)
    for name, test in vars(module).items():
        if not name.startswith("test_") or not callable(test):
            continue
        sets: list[list[dict[str, Any]]] = vars(test).get("_parameters", [])
        for chosen in itertools.product(*sets):
            parameters = {key: value for part in chosen for key, value in part.items()}
            shown = ", ".join(str(value)[:40] for value in parameters.values())
            title = f"{path.stem}: {name.removeprefix('test_').replace('_', ' ')}"
            found.append(Case(f"{title} [{shown}]", test, parameters, fixtures))
    return found


def _is_fixture(thing: object) -> bool:
    return callable(thing) and "_is_fixture" in getattr(thing, "__dict__", {})
