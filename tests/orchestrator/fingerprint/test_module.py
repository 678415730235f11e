"""One source in parts: what belongs to an entry of a table, and what to all of them."""

from pathlib import Path

import pytest

from orchestrator.fingerprint.module import Module

SOURCE = '''
"""Losses by name."""

from collections.abc import Mapping

from trainers.errors import choose
from trainers.far import distant
from trainers.margin import Margin, width

__all__ = ["LOSSES", "near"]
WEIGHT = 2.0


def near(x):
    return _scaled(x) * WEIGHT


def wide(x):
    return Margin(_spread(x))


def _scaled(x):
    return x / 2


def _spread(x):
    from trainers.spread import spread

    return spread(x)


def chosen(name):
    return choose("loss", LOSSES, name)


LOSSES: Mapping[str, object] = {"near": near, "wide": wide, "far": distant, "width": width}
OTHERS = {"near": near}
'''
TABLES = frozenset({"LOSSES"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "losses.py"


def _module(path: Path, before: str = "", after: str = "") -> Module:
    assert before in SOURCE
    path.write_text(SOURCE.replace(before, after), encoding="utf-8")
    return Module(path, TABLES)


def test_what_entries_alone_use_is_theirs(path: Path) -> None:
    module = _module(path, 'OTHERS = {"near": near}', "")
    assert set(module.entries) == {"LOSSES.near", "LOSSES.wide", "LOSSES.far", "LOSSES.width"}
    assert module.entries["LOSSES.wide"].private == {"wide"}
    assert module.entries["LOSSES.wide"].origins == {"trainers.margin.Margin"}
    assert module.entries["LOSSES.far"].origins == {"trainers.far.distant"}
    # Helpers are of the module: any entry may come to use them.
    assert module.own.origins == {"trainers.errors.choose", "trainers.spread.spread"}


def test_what_the_module_uses_itself_is_its_own(path: Path) -> None:
    # A dictionary that is no table has all of its entries.
    module = _module(path)
    assert module.entries["LOSSES.near"].private == frozenset()
    changed = _module(path, "* WEIGHT", "* WEIGHT * 2")
    assert changed.own.digest != module.own.digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return Margin(_spread(x))", "return Margin(x)"),
        ('"wide": wide, ', '"wide": wide, "wider": wide, '),
        ('"LOSSES", "near"', '"LOSSES"'),
        ("import Margin, width", "import width, Margin"),
        ("import distant", "import nearby as distant"),
    ],
)
def test_another_entry_does_not_count(before: str, after: str, path: Path) -> None:
    first, changed = _module(path), _module(path, before, after)
    assert changed.own.digest == first.own.digest
    assert changed.entries["LOSSES.near"].digest == first.entries["LOSSES.near"].digest


def test_an_entry_counts_with_what_is_imported_for_it(path: Path) -> None:
    first = _module(path).entries
    renamed = _module(path, "import distant", "import nearby as distant").entries
    assert renamed["LOSSES.far"].digest != first["LOSSES.far"].digest
    swapped = _module(path, '"far": distant', '"far": width').entries
    assert swapped["LOSSES.far"].digest != first["LOSSES.far"].digest
    changed = _module(path, "Margin(_spread(x))", "Margin(x)").entries
    assert changed["LOSSES.wide"].digest != first["LOSSES.wide"].digest


@pytest.mark.parametrize("value", ["dict(near=near)", "{**SOME}", "{1: near}"])
def test_a_table_that_is_no_literal_is_code_like_any_other(value: str, path: Path) -> None:
    path.write_text(f"from trainers.x import near, SOME\nLOSSES = {value}\n", encoding="utf-8")
    module = Module(path, TABLES)
    assert module.entries == {}
    assert module.own.origins


def test_what_is_imported_for_types_alone_is_not_used(path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from trainers.x import X\n"
    path.write_text(text, encoding="utf-8")
    assert Module(path, TABLES).own.origins == set()
