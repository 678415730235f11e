"""`inspect`: what an exported file holds, layer by layer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from orchestrator.cli.cells import beside_floats
from trainers import (
    binarize_activations,
    binarize_weights,
    build_model,
    export_packed,
    read_packed,
    set_binary,
)

Refused = Callable[..., str]


def test_inspect_lists_layers_bits_and_bytes(packed: str, cli: Any) -> None:
    answer = cli("inspect", packed)
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    assert ["fc1", "8", "×", "64", "bits", "512", "1", "64"] in lines
    assert ["fc2", "10", "×", "8", "bits", "80", "1", "10"] in lines
    for said in ("bnn-packed, version 1", "times smaller", "study: mine"):
        assert said in answer.out


def test_a_recorded_cell_is_no_file(refused: Refused) -> None:
    for command in ("inspect", "evaluate"):
        err = refused(command, "best:digits-full")
        assert "best:digits-full names a recorded cell, and this reads a file" in err
        assert "`export best:digits-full -o FILE` writes one" in err


def test_what_the_file_says_of_itself_is_yaml_that_a_study_takes(tmp_path: Path, cli: Any) -> None:
    model = build_model("mlp", widths=[6, 4, 3])
    binarize_weights(model, ["fc1", "fc2"], "sign")
    set_binary(model, ["fc1", "fc2"])
    spec = {
        "model": {"name": "mlp", "widths": [6, 4, 3]},
        "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 0},
        "measure_test": True,
        "teacher": None,
    }
    said = {"study": "größe", "labels": {"order": "132", "[x]": "yes"}, "spec": spec}
    export_packed(model, tmp_path / "net.bnn", said)
    out = cli("inspect", str(tmp_path / "net.bnn")).out
    text = out[out.index("study: ") :]
    assert yaml.safe_load(text) == said
    assert "  layers:\n    order: [fc1, fc2]\n" in text
    assert "widths: [6, 4, 3]" in text


def test_inspect_says_that_a_file_counts_epochs_from_0(tmp_path: Path, cli: Any) -> None:
    model = build_model("mlp", widths=[6, 4, 3])
    binarize_weights(model, ["fc1"], "sign")
    set_binary(model, ["fc1"])
    export_packed(model, tmp_path / "net.bnn", {"epoch": 41, "metrics": {"epoch": 7}})
    out = cli("inspect", str(tmp_path / "net.bnn")).out
    assert "\nepoch: 41  # counted from 0\n" in out
    assert out.count("counted from 0") == 1


def test_inspect_shows_layers_that_are_not_packed_by_their_type(tmp_path: Path, cli: Any) -> None:
    model = build_model("mlp", widths=[6, 4, 3])
    binarize_weights(model, ["fc1", "fc2"], "sign")
    set_binary(model, ["fc2"])
    export_packed(model, tmp_path / "net.bnn", {})
    lines = [line.split() for line in cli("inspect", str(tmp_path / "net.bnn")).out.splitlines()]
    assert ["fc1", "4", "×", "6", "float32", "24", "32", "96"] in lines


def test_inspect_says_whose_inputs_are_binary(tmp_path: Path, cli: Any) -> None:
    model = build_model("mlp", widths=[6, 5, 4, 3])
    binarize_activations(model, ["fc2", "fc3"], "sign", clip=0.5)
    export_packed(model, tmp_path / "net.bnn", {})
    out = cli("inspect", str(tmp_path / "net.bnn")).out
    assert "binary inputs: name sign, clip 0.5; of fc2, fc3\n" in out


def test_bytes_of_layers_and_of_everything_else_make_up_the_file(packed: str, cli: Any) -> None:
    file = read_packed(Path(packed))
    out = cli("inspect", packed).out
    [rest] = [line for line in out.splitlines() if "everything else" in line]
    assert int(rest.split()[-1].replace(",", "")) + 64 + 10 == file.payload
    sizes = f"{file.payload:,} bytes of tensors, {file.num_bytes:,} with the header; "
    assert sizes + f"{file.float_bytes:,} in floating point: " in out
    assert f" {file.float_bytes / file.num_bytes:.1f} times smaller\n" in out


def test_a_file_larger_than_its_floats_is_not_called_smaller() -> None:
    assert beside_floats(100, 1000) == "1,000 in floating point: 10.0 times smaller"
    assert beside_floats(1050, 1000) == "1,000 in floating point, which is less"


def test_a_file_that_is_no_network_is_refused(tmp_path: Path, refused: Refused) -> None:
    assert "there is no such file" in refused("inspect", "nothing.bnn")
    (tmp_path / "text.bnn").write_text("hello")
    assert "is not a safetensors file" in refused("inspect", "text.bnn")
