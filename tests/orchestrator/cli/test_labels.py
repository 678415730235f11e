"""Labels and numbers as people type them, through the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., str]

STUDY = """\
study: odd
question: With or without normalisation?
base:
  model: {{name: mlp, widths: [64, 8, 10]}}
  data: {{name: digits, batch_size: 500}}
  optimizer: {{name: adam, lr: 0.02}}
  layers: {{order: [fc1, fc2], epochs_per_layer: 1}}
  epochs: 3
axes:
  - {{name: {name}, {axis}}}
metric: {{name: selected/validation_error}}
matrix: {{rows: x}}
{more}
"""
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a study of this axis; its path."""

    def file(axis: str, *, name: str = "x", more: str = "") -> str:
        path = tmp_path / "odd.yaml"
        path.write_text(STUDY.format(axis=axis, name=name, more=more), encoding="utf-8")
        return str(path)

    return file


@pytest.mark.parametrize(
    "label", ["on", "no", "010", "1_000", "1:30", "~", "null", "2026-11-26", "0x10", "1e3", "1.0"]
)
def test_a_label_is_picked_as_it_is_written(label: str, write: Write, cli: Any) -> None:
    path = write(f"sets: model.norm, values: {{{label}: true, other: false}}")
    answer = cli("train", path, "--trial", f"x={label}")
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"odd: {'x ' * label.replace('.', '').isdecimal()}{label} (trial")


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("sets: model.norm, values: [on, off]", "quote it if it is a name: 'on'"),
        ("sets: optimizer.lr, values: [010]", "write 8, or quote it"),
        ("sets: optimizer.lr, values: [1:30]", "base 60"),
        ("sets: layers.order, permutations: [012]", "write 10, or quote it"),
        ('sets: optimizer.lr, values: {"": 0.1}', "expected a label"),
        ('sets: optimizer.lr, values: {"a\\nb": 0.1}', "control character"),
        ('sets: optimizer.lr, values: {"a\\0b": 0.1}', "control character"),
        ("sets: optimizer.lr, values: [.nan]", "expected a finite number"),
        ("sets: optimizer.lr, values: [.inf]", "expected a finite number"),
        (f"sets: optimizer.lr, values: {{? {'x' * 9999} : 0.1}}", "has 9,999 characters"),
        ("seeds: [-1]", "must be 0 or more"),
        ("sets: epochs, values: [1.5]", "expected a whole number"),
    ],
)
def test_what_cannot_be_a_label_or_a_value_is_refused(
    axis: str, said: str, write: Write, refused: Refused
) -> None:
    assert said in refused("validate", write(axis))


@pytest.mark.parametrize("name", ["on", "no", "010", "1.5", "2026-11-26"])
def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(
    name: str, write: Write, refused: Refused
) -> None:
    assert "quote it" in refused("validate", write("seeds: [1]", name=name))


def test_values_of_set_are_read_as_those_of_a_file(write: Write, cli: Any) -> None:
    path = write("sets: model.norm, values: {a: true}")
    answer = cli("validate", path, "--set", "axes.x.values={on: true, off: false}")
    assert "x (2)" in answer.out
    answer = cli("validate", path, "--set", "axes.x.values.on=false")
    assert "x (2)" in answer.out
    answer = cli("validate", path, "--set", "axes.x.values=[on]")
    assert answer.code == 2
    assert "quote it" in answer.err


@pytest.mark.parametrize("searcher", ["random", "optuna"])
@pytest.mark.parametrize("seed", [2**32, 20261126120000, 2**70])
def test_a_search_may_have_any_seed(searcher: str, seed: int, write: Write, cli: Any) -> None:
    search = f"search: {{name: {searcher}, num_samples: 2, seed: {seed}}}"
    axis = "sets: data.batch_size, range: {low: 16, high: 64, integer: true}"
    answer = cli("validate", write(axis, more=search))
    assert answer.code == 0, answer.err


def test_seeds_of_any_size_are_trained(write: Write, cli: Any) -> None:
    answer = cli("train", write("seeds: [1]"), "--seeds", str(2**70))
    assert answer.code == 0, answer.err
