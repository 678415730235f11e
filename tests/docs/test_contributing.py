"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the sources."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.fingerprint.sources import Sources

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
COPIED = ("trainers", "orchestrator", "dashboards", "configs", "tests", "pyproject.toml")
SOURCES = ("trainers", "orchestrator", "dashboards", "configs")
WALK = "tests/docs/walk.py"


@dataclass(frozen=True)
class Recipe:
    """A section of the page.

    Args:
        new: Texts of the files it writes, by path.
        lines: The diff of the table it adds a line to, by path.
        tested: Tests that are said to take their cases from the table.
    """

    new: Mapping[str, str]
    lines: Mapping[str, str]
    tested: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it adds, as the tests of a table call it."""
        return Path(next(iter(self.new))).stem

    @property
    def sources(self) -> set[str]:
        """The files it touches, tests aside."""
        return {path for path in (*self.new, *self.lines) if not path.startswith("tests/")}

    def follow(self, copy: Path) -> None:
        """Writes its files and adds its lines."""
        for path, text in self.new.items():
            (copy / path).write_text(text, encoding="utf-8")
        for path, diff in self.lines.items():
            text = (copy / path).read_text("utf-8")
            for hunk in diff.split("@@\n"):
                kept = "".join(line[1:] for line in hunk.splitlines(True) if line[0] == " ")
                assert text.count(kept) == 1, f"{path} has {text.count(kept)} places with:\n{kept}"
                text = text.replace(kept, "".join(line[1:] for line in hunk.splitlines(True)))
            (copy / path).write_text(text, encoding="utf-8")


def _recipe(section: str) -> Recipe:
    blocks = re.findall(r"(?ms)^`([^`\n]+)`:\n\n```(\w+)\n(.*?)^```$", section)
    tested = re.search(r"(?ms)^Tested from the \w+:\s+(.*?\.py`)\.", section)
    return Recipe(
        new={path: text for path, kind, text in blocks if kind != "diff"},
        lines={path: text for path, kind, text in blocks if kind == "diff"},
        tested=tuple(re.findall(r"`([^`]+)`", tested[1])) if tested else (),
    )


SECTIONS = re.findall(r"(?ms)^### (.+?)\n(.*?)(?=^##|\Z)", PAGE)
RECIPES = {title: _recipe(section) for title, section in SECTIONS}
each = pytest.mark.parametrize("title", RECIPES)


def test_there_is_a_recipe_for_each_line_of_the_table() -> None:
    rows = re.findall(r"(?m)^\| ([a-z ]+) \| `[^`]*NAME\.\w+` \|", PAGE)
    assert [f"A {row}" for row in rows] == list(RECIPES)
    assert len(rows) == 5


@each
def test_an_addition_is_one_new_file_and_its_line_in_one_table(title: str) -> None:
    recipe = RECIPES[title]
    tables = set(recipe.lines)
    (file,) = recipe.sources - tables
    assert not (ROOT / file).exists()
    assert len(tables) == (0 if title == "A study" else 1)
    for table, diff in recipe.lines.items():
        assert (ROOT / table).is_file()
        assert all(line[0] in " +@" for line in diff.splitlines())
        added = [line for line in diff.splitlines() if line.startswith("+")]
        # The entry, and the import that it needs.
        assert len(added) <= 2
    own = {path for path in recipe.new if path.startswith("tests/")}
    assert all(not (ROOT / path).exists() for path in own)
    assert own or recipe.tested


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with every addition."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        if (ROOT / name).is_dir():
            compiled = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=compiled)
        else:
            shutil.copy(ROOT / name, folder / name)
    for recipe in RECIPES.values():
        recipe.follow(folder)
    return folder


@pytest.fixture(scope="module")
def tried(copy: Path) -> subprocess.CompletedProcess[str]:
    """The tests that the recipes write, those of their tables, and `walk.py`, in one process."""
    own = (path for recipe in RECIPES.values() for path in recipe.new if path.startswith("tests/"))
    tested = (path for recipe in RECIPES.values() for path in recipe.tested)
    files = [*dict.fromkeys([*own, *tested, WALK])]
    names = " or ".join([*(recipe.name for recipe in RECIPES.values()), Path(WALK).name])
    unwanted = ("MLFLOW_", "BNN_", "RAY_", "PYTEST_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", names]
    return subprocess.run(
        [*command, *files],
        cwd=copy,
        env={**env, "PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(copy / "cache")},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_every_addition_does_what_it_is_for(tried: subprocess.CompletedProcess[str]) -> None:
    assert tried.returncode == 0, tried.stdout + tried.stderr
    for recipe in RECIPES.values():
        passed = rf"(?m)^PASSED {re.escape(WALK)}::\w*{recipe.name.replace('-', '_')}"
        assert re.search(passed, tried.stdout), recipe.name


@pytest.mark.slow
@each
def test_the_tests_of_a_table_try_what_is_added_to_it(
    title: str, tried: subprocess.CompletedProcess[str]
) -> None:
    for file in RECIPES[title].tested:
        passed = rf"(?m)^PASSED {re.escape(file)}::.*\b{re.escape(RECIPES[title].name)}\b"
        assert re.search(passed, tried.stdout), file


def test_an_addition_says_nothing_of_the_code_of_other_trials(copy: Path) -> None:
    before, after = (dict(Sources(root / "trainers").units()) for root in (ROOT, copy))
    assert before.items() <= after.items()
    added = {f"trainers/{name.partition(':')[0]}" for name in after.keys() - before.keys()}
    named = {path for recipe in RECIPES.values() for path in recipe.sources}
    assert added == {path for path in named if path.startswith("trainers/")}


@pytest.mark.slow
def test_nothing_else_is_touched(copy: Path, tried: subprocess.CompletedProcess[str]) -> None:
    named = {path for recipe in RECIPES.values() for path in recipe.sources}
    before, after = _digests(ROOT), _digests(copy)
    assert {path for path in before | after if before.get(path) != after.get(path)} == named


def test_what_the_recipes_write_passes_the_linter(copy: Path) -> None:
    files = [path for recipe in RECIPES.values() for path in recipe.new if path.endswith(".py")]
    files += [path for recipe in RECIPES.values() for path in recipe.lines]
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", *files]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in SOURCES
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
