"""What the site makes from code. `make docs` builds it, and takes no warning."""

import importlib.util
import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import console
import pytest

import dashboards
from orchestrator.cli.main import COMMANDS, _parser
from orchestrator.study.shipped import config_folder

ROOT = Path(__file__).resolve().parents[2]
FOUND = sorted(
    str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "docs").rglob("*.md")
)


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """The module beside the pages."""
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs" / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_one_table_of_contents_also_a_new_one(generated: ModuleType) -> None:
    text = generated.index([*FOUND, "docs/brand-new"])
    listed = re.findall(r"(?m)^/(.+)$", text)
    assert len(listed) == len(set(listed))
    assert {*FOUND, "docs/brand-new"} - {"docs/index"} <= set(listed)
    assert [name for name in listed if not (ROOT / f"{name}.md").is_file()] == ["docs/brand-new"]


def test_every_option_of_the_schema_is_in_the_page_of_keys(generated: ModuleType) -> None:
    text = generated.keys(FOUND)
    schema = json.loads((config_folder() / "study.schema.json").read_text("utf-8"))
    for name, definition in schema["definitions"].items():
        if "." in name:
            assert f"### `{definition['title']}`" in text
        for key in definition.get("properties", {}):
            assert f"| `{key}` |" in text or key == "name"
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_every_command_is_in_the_page_of_commands(generated: ModuleType) -> None:
    text = generated.commands(FOUND)
    for command in COMMANDS:
        assert f"## `{command.__name__.rpartition('.')[2]}`" in text
    assert "## `data prepare`" in text


def test_every_public_name_has_its_docstring_in_the_reference(generated: ModuleType) -> None:
    text = generated.public_names("dashboards")(FOUND)
    assert re.findall(r"(?m)^## `(\w+)`$", text) == sorted(dashboards.__all__, key=str.lower)
    assert ".. autofunction:: dashboards.result_matrix" in text
    assert ".. autoexception:: dashboards.NoResultsError" in text


@pytest.mark.parametrize("page", ["README", "docs/how-to", "docs/sweeps", "docs/tutorial"])
def test_the_commands_of_a_page_are_there_with_their_flags(page: str) -> None:
    text = (ROOT / f"{page}.md").read_text("utf-8")
    names = {command.__name__.rpartition(".")[2] for command in COMMANDS}
    assert set(re.findall(r"bnn-orchestrate ([a-z]+)", text)) <= names
    typed = [example.command for example in console.examples(ROOT / f"{page}.md")]
    lines = [line.partition(" > ")[0] for line in typed if line.startswith("bnn-orchestrate")]
    assert lines
    for line in lines:
        assert _parser().parse_args(shlex.split(line)[1:])
