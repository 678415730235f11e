"""The table of moved modules: what it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CHANGELOG.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([a-z_.]+)` \| (`.+) \|$", PAGE, flags=re.MULTILINE)


def _file(module: str) -> Path:
    return (ROOT / module.replace(".", "/")).with_suffix(".py")


def test_no_module_is_said_to_have_moved_twice() -> None:
    before = [module for module, _ in ROWS]
    assert before
    assert len(set(before)) == len(before)


@pytest.mark.parametrize(("before", "now"), ROWS, ids=[before for before, _ in ROWS])
def test_a_module_that_moved_is_where_the_table_says(before: str, now: str) -> None:
    assert not _file(before).exists()
    modules = re.findall(r"`((?:trainers|orchestrator)\.[a-z_.]+)`", now)
    assert modules
    text = "".join(_file(module).read_text("utf-8") for module in modules)
    for old, new in re.findall(r"`(\w+)`: `(\w+)`", now):
        assert f"class {new}" in text
        assert f"class {old}" not in text
