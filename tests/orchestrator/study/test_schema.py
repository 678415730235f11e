"""The JSON Schema of study files: current, true of what is shipped and shown, and strict."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from orchestrator.study.catalog import study_files
from orchestrator.study.file import shared_files
from orchestrator.study.reading import KEYS
from orchestrator.study.schema import study_schema, texts
from orchestrator.study.schema_trial import paths
from orchestrator.study.shipped import config_folder
from orchestrator.study.yaml import read_yaml, read_yaml_file
from trainers import MODELS
from trainers.binding import options_of

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "configs" / "README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.S))
]
SCHEMA = json.loads(texts()["study.schema.json"])


def _faults(value: object, definition: str | None = None) -> list[str]:
    part = {"$ref": f"#/definitions/{definition}", "definitions": SCHEMA["definitions"]}
    validator = Draft7Validator(SCHEMA if definition is None else part)
    return [f"{error.json_path}: {error.message}"[:200] for error in validator.iter_errors(value)]


def test_the_files_are_current() -> None:
    for name, text in texts().items():
        current = (config_folder() / name).read_text("utf-8") == text
        assert current, "write it anew: python -m orchestrator.study.schema"


def test_it_is_a_schema_that_knows_every_key_of_a_study() -> None:
    Draft7Validator.check_schema(study_schema())
    assert tuple(SCHEMA["definitions"]["study"]["properties"]) == KEYS


@pytest.mark.parametrize("name", sorted(study_files()))
def test_every_shipped_study_fits_and_names_the_schema(name: str) -> None:
    path = study_files()[name]
    assert _faults(read_yaml_file(path)) == []
    _names(path, "study.schema.json")


@pytest.mark.parametrize("name", sorted(shared_files()))
def test_every_shipped_shared_file_fits_and_names_its_schema(name: str) -> None:
    path = shared_files()[name]
    assert _faults(read_yaml_file(path), "shared") == []
    _names(path, "shared.schema.json")


def _names(path: Path, file: str) -> None:
    first, *_ = path.read_text("utf-8").splitlines()
    assert first == f"# yaml-language-server: $schema=../{file}"
    assert (path.parent / f"../{file}").is_file()


def test_the_schema_of_shared_files_is_a_part_of_the_other() -> None:
    assert json.loads(texts()["shared.schema.json"]) == {
        "$ref": "study.schema.json#/definitions/shared"
    }
    assert "study" not in SCHEMA["definitions"]["shared"].get("required", ())


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_pages_fits(text: str) -> None:
    value = read_yaml(text)
    assert _faults(value, None if "study" in value else "shared") == []


def test_what_tests_and_commands_write_fits(make_mapping: Callable[..., dict[str, Any]]) -> None:
    assert _faults(make_mapping()) == []


@pytest.mark.parametrize(
    "base",
    [
        {"data": "digits"},
        {"activations": "none"},
        {"activations": None},
        {"activations": {"name": "sign", "layers": ["fc2"]}},
        {"layers": {"order": [1, "fc2"]}},
        {"layers": {"order": "all"}},
        {"optimizer": {"name": "adam", "lr": 1, "betas": [0, 0.5]}},
        {"before": {"epochs": 3, "data": {"batch_size": 8}, "before": {"epochs": 1}}},
        {"teacher": {"run": "best:digits-full"}, "distillation": "kl"},
        {"data": {"name": "digits", "augment": {"mixup": {"alpha": 1}, "rotation": None}}},
    ],
)
def test_other_ways_to_write_a_trial_fit(
    base: dict[str, Any], make_mapping: Callable[..., dict[str, Any]]
) -> None:
    mapping = make_mapping()
    assert _faults({**mapping, "base": {**mapping["base"], **base}}) == []


MISTAKES = {
    "a typo of a key": {"qestion": "Why?"},
    "a typo of a key of the trial": {"base.epoch": 3},
    "a typo of a name": {"base.weights": {"name": "sgin"}},
    "a typo of a bare name": {"base.loss": "cross_entropie"},
    "a name that needs options": {"base.optimizer": "adam"},
    "a typo of an option": {"base.optimizer": {"name": "adam", "lrr": 0.1}},
    "a missing option": {"base.optimizer": {"name": "adam"}},
    "an option of another entry": {"base.optimizer": {"name": "adam", "lr": 1, "momentum": 0.9}},
    "a text for a number": {"base.optimizer": {"name": "adam", "lr": "high"}},
    "a number for a text": {"question": 3},
    "half an epoch": {"base.epochs": 1.5},
    "yes for true": {"base.measure_test": "yes"},
    "a list of texts for numbers": {"base.model": {"name": "mlp", "widths": ["a"]}},
    "one value for two": {"base.optimizer": {"name": "adam", "lr": 1, "betas": [0.9]}},
    "a typo of an augmentation": {"base.data": {"name": "digits", "augment": {"corp": 4}}},
    "a key that all stages share": {"base.before": {"seed": 3}},
    "a name with blanks": {"study": "my study"},
    "a reserved name": {"study": "Default"},
    "no axis": {"axes": []},
    "an axis without a form": {"axes": [{"name": "seed"}]},
    "an axis with two forms": {"axes": [{"name": "a", "seeds": [1], "values": [2]}]},
    "an axis that sets nothing": {"axes": [{"name": "a", "values": [2]}]},
    "a typo of what an axis sets": {
        "axes": [{"name": "a", "sets": "optimizer.lrate", "values": [2]}]
    },
    "a typo of what a label sets": {"axes": [{"name": "a", "values": {"x": {"optimiser.lr": 1}}}]},
    "a range that sets nothing": {"axes": [{"name": "a", "range": {"low": 0, "high": 1}}]},
    "orders that set the rate": {
        "axes": [{"name": "a", "sets": "optimizer.lr", "permutations": "all"}]
    },
    "an unknown control": {
        "axes": [{"name": "a", "sets": "layers.order", "permutations": [], "controls": ["real"]}]
    },
    "an unknown metric": {"metric": {"name": "test_error"}},
    "an unknown direction": {"metric": {"name": "selected/test_error", "better": "up"}},
    "a typo in the matrix": {"matrix": {"row": "order"}},
    "an unknown searcher": {"search": {"name": "grid", "num_samples": 3}},
    "an unknown policy": {"checkpoint": {"policy": "newest"}},
    "a path of another key": {"as_published": {"bass.epochs": 3}},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_common_mistakes_are_marked(
    mistake: str, make_mapping: Callable[..., dict[str, Any]]
) -> None:
    mapping = make_mapping()
    for path, value in MISTAKES[mistake].items():
        *folder, key = path.split(".")
        (mapping["base"] if folder else mapping)[key] = value
    assert _faults(mapping) != []


@pytest.mark.parametrize("key", ["question", "base", "axes", "metric", "matrix", "study"])
def test_a_missing_key_is_marked(key: str, make_mapping: Callable[..., dict[str, Any]]) -> None:
    mapping = make_mapping()
    del mapping[key]
    assert _faults(mapping) != []


def test_mistakes_in_a_study_that_extends_another_file_are_marked() -> None:
    study = {"study": "mine", "extends": "digits"}
    assert _faults({**study, "base": {"optimizer": {"lr": 0.1}}}) == []
    assert _faults({**study, "base": {"optimizer": {"lrr": 0.1}}}) != []
    assert _faults({**study, "base": {"optimizer": {"lr": "high"}}}) != []
    assert _faults({**study, "base": {"optimizer": {"name": "sdg"}}}) != []
    assert _faults({**study, "base": {"model": {"name": "mlp", "depth": 3}}}) != []


def test_paths_lead_to_every_option_of_a_network() -> None:
    known = set(paths(SCHEMA["definitions"]))
    for entry in MODELS.values():
        assert {f"model.{name}" for name in options_of(entry)} <= known
    assert {"seed", "optimizer.lr", "data.augment.gaussian.std", "layers.order"} <= known


def test_options_say_what_their_docstrings_say() -> None:
    adam = SCHEMA["definitions"]["optimizer.adam"]["properties"]
    assert adam["lr"] == {"type": "number", "description": "Learning rate."}
    assert adam["eps"]["default"] == 1e-8
    assert adam["name"]["description"].startswith("Adam in its fused form.")
