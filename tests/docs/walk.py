"""What the additions of CONTRIBUTING.md must do; `test_contributing.py` runs this in its copy."""

from pathlib import Path

import numpy as np
import pytest
import torch

import trainers
from orchestrator.cli.main import main
from trainers import RunOptions, TrainSpec, load_packed, run

HERE = Path(__file__).resolve().parents[2]
MLP = {"name": "mlp", "widths": [64, 8, 10]}
OPTIONS = RunOptions(device="cpu", num_threads=1)


def _spec(**changes: object) -> TrainSpec:
    mapping: dict[str, object] = {
        "model": MLP,
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.01},
        "layers": {"order": "all"},
        "epochs": 1,
    }
    return TrainSpec.from_mapping(mapping | changes)


def test_mean_sign_and_all_else_come_from_the_copy() -> None:
    assert Path(trainers.__file__).resolve().parent == HERE / "trainers"


def test_mean_sign_trains_and_a_file_holds_its_network(tmp_path: Path) -> None:
    result = run(_spec(weights="mean_sign"), options=OPTIONS)
    assert result.last.binary == ("fc1", "fc2")
    assert result.last.validation.error < 0.85
    model = result.model.eval()
    trainers.export_packed(model, tmp_path / "net.bnn")
    file = trainers.read_packed(tmp_path / "net.bnn")
    assert [layer.bits_a_weight for layer in file.layers] == pytest.approx([1, 1])
    images = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(load_packed(tmp_path / "net.bnn")(images), model(images))


def test_one_conv_trains_with_binary_weights_and_inputs() -> None:
    model = {"name": "one_conv", "in_channels": 1}
    result = run(_spec(model=model, activations="approx_sign"), options=OPTIONS)
    assert result.last.binary == ("conv1", "fc2")
    assert np.isfinite(result.last.train.loss)


def test_patches_are_learnt_in_an_epoch(tmp_path: Path) -> None:
    labels = np.arange(400) % 2
    pixels = np.random.default_rng(0).integers(0, 100, (400, 8, 8)) + 120 * labels[:, None, None]
    np.savez(tmp_path / "patches.npz", images=pixels.astype(np.uint8), labels=labels)
    spec = _spec(
        model={"name": "mlp", "widths": [64, 8, 2]}, data={"name": "patches", "batch_size": 25}
    )
    result = run(spec, options=RunOptions(device="cpu", num_threads=1, data_dir=tmp_path))
    assert result.last.test is not None
    assert result.last.test.error < 0.1


def test_digits_widths_has_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "digits-widths"]) == 0
    assert "digits-widths: no fault; 6 trials, 180 epochs" in capsys.readouterr().out


def test_where_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["where", "--home", str(tmp_path)]) == 0
    assert str(tmp_path / "mlflow.db") in capsys.readouterr().out
