"""`export`, `evaluate` and `inspect`: what they are told, and what they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainers import TrainSpec, binarize_weights, build_model, export_packed, run, set_binary

Refused = Callable[..., str]
TRIAL: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 8, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.01},
    "layers": {"order": ["fc1", "fc2"]},
    "epochs": 1,
}


@pytest.fixture
def packed(tmp_path: Path) -> str:
    """The path of a small exported network."""
    spec = TrainSpec.from_mapping(TRIAL)
    result = run(spec)
    metrics = {"validation_error": result.last.validation.error}
    metadata = {"study": "mine", "metrics": metrics, "spec": spec.to_mapping()}
    export_packed(result.model, tmp_path / "net.bnn", metadata)
    return str(tmp_path / "net.bnn")


def test_evaluate_measures_and_compares_with_what_was_recorded(packed: str, cli: Any) -> None:
    answer = cli("evaluate", packed)
    assert answer.code == 0
    validation, test = answer.out.splitlines()
    measured, recorded = validation.split("error ")[1].split("; ")
    assert recorded == f"{measured} when it was trained"
    assert test.startswith("test")
    assert "when it was trained" not in test


def test_inspect_lists_layers_bits_and_bytes(packed: str, cli: Any) -> None:
    answer = cli("inspect", packed)
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["fc1", "8", "×", "64", "bits", "512", "1", "64"] in lines
    assert ["fc2", "10", "×", "8", "bits", "80", "1", "10"] in lines
    for said in ("bnn-packed, version 1", "times smaller", "study: mine"):
        assert said in answer.out


def test_inspect_shows_layers_that_are_not_packed_by_their_type(tmp_path: Path, cli: Any) -> None:
    model = build_model("mlp", widths=[6, 4, 3])
    binarize_weights(model, ["fc1", "fc2"], "sign")
    set_binary(model, ["fc2"])
    export_packed(model, tmp_path / "net.bnn", {})
    lines = [line.split() for line in cli("inspect", str(tmp_path / "net.bnn")).out.splitlines()]
    assert ["fc1", "4", "×", "6", "float32", "24", "32", "96"] in lines


@pytest.mark.parametrize("command", ["evaluate", "inspect"])
def test_a_file_that_is_no_network_is_refused(
    command: str, tmp_path: Path, refused: Refused
) -> None:
    assert "there is no such file" in refused(command, "nothing.bnn")
    (tmp_path / "text.bnn").write_text("hello")
    assert "is no safetensors file" in refused(command, "text.bnn")


def test_a_study_without_results_has_no_best_cell(refused: Refused) -> None:
    assert "there are no results in" in refused("export", "best:mine", "-o", "net.bnn")


def test_a_file_must_be_named_and_a_format_known(refused: Refused) -> None:
    assert "-o/--output" in refused("export", "best:mine")
    assert "invalid choice: 'zip'" in refused("export", "abc", "-o", "f", "--format", "zip")
