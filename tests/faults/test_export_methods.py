"""A network of every method, from the sweep to a file that computes the same."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch
from world.scale import FULL

from trainers import load_packed, read_packed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FULL, reason="takes minutes: only with BNN_FAULTS=full"),
]

STUDY = """\
study: methods
question: What comes of each method?
base:
  model: {name: conv, depth: 2, width: 0.25, in_channels: 1, image_size: 8, norm: true,
    affine: true}
  data: {name: digits, batch_size: 64}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: all}
  epochs: 6
axes:
  - name: method
    values:
      iterative: {layers.epochs_per_layer: 1}
      wide: {weights: mcdonnell, layers.order: [conv2, fc3, fc4]}
      ticket: {weights: {name: biprop, keep: 0.4}, init: {name: signed_constant}}
      global: {weights: {name: biprop_global, keep: 0.4, ramp_epochs: 3}}
      dense: {weights: {name: biprop, keep: 0.8}, batch_norm: {learn: none}}
      BinAct: {weights: {name: biprop, keep: 0.4}, activations: approx_sign}
metric: {name: selected/test_error}
matrix: {rows: method}
checkpoint: {policy: best}
"""
CODES = {
    "iterative": {"bits"},
    "wide": {"float32", "bits"},
    "ticket": {"mask"},
    "global": {"mask", "trits"},
    "dense": {"trits"},
    "BinAct": {"mask"},
}


@pytest.fixture(scope="module")
def swept(settled: Any) -> Any:
    """A user who has swept the study."""
    done = settled.runs("sweep", settled.writes(STUDY, "methods.yaml"))
    assert done.code == 0, done.err
    return settled


def _run_of(user: Any, method: str) -> str:
    query = "SELECT run_uuid FROM tags WHERE key = 'bnn.label.method' AND value = ?"
    with sqlite3.connect(user.home / "mlflow.db") as database:
        [[run]] = database.execute(query, (method,)).fetchall()
    return str(run)


@pytest.mark.parametrize("method", sorted(CODES))
def test_a_network_of_each_method_is_exported_measured_and_looked_into(
    method: str, swept: Any
) -> None:
    name = f"{method}.bnn"
    done = swept.runs("export", _run_of(swept, method), "-o", name)
    assert done.code == 0, done.err
    assert "verified  the file alone gives the same logits, bit by bit" in done.out
    file = read_packed(swept.folder / name)
    codes = {layer.code for layer in file.layers}
    assert codes <= CODES[method]
    assert codes != {"float32"}
    # One threshold for all layers comes down over three epochs; those before do not count.
    assert file.metadata["epoch"] >= {"iterative": 4, "global": 3}.get(method, 0)
    done = swept.runs("evaluate", name)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2
    for line in done.out.splitlines():
        measured, recorded = line.split("error ")[1].split(" when")[0].split("; ")
        assert measured == recorded
    looked = swept.runs("inspect", name).out
    assert all(code in looked for code in codes)
    binary = "binary inputs: name approx_sign; of conv2, fc3, fc4, fc5"
    assert (binary in looked) == (method == "BinAct")


def test_mlflow_gives_the_class_scores_of_a_network_with_binary_inputs(swept: Any) -> None:
    import mlflow

    name = "served.bnn"
    assert swept.runs("export", _run_of(swept, "BinAct"), "-o", name).code == 0
    [stored] = swept.folder.rglob(f"data/{name}")
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    scores = mlflow.pyfunc.load_model(str(stored.parents[1])).predict(images.numpy())
    with torch.no_grad():
        expected = load_packed(swept.folder / name)(images)
    assert torch.equal(torch.from_numpy(scores), expected)


def test_a_network_with_binary_inputs_is_written_as_onnx(swept: Any) -> None:
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    run = _run_of(swept, "BinAct")
    done = swept.runs("export", run, "-o", "net.onnx", "--format", "onnx")
    assert done.code == 0, done.err
    file = onnx.load(str(Path(swept.folder, "net.onnx")))
    [noted] = [entry.value for entry in file.metadata_props if entry.key == "bnn"]
    assert json.loads(noted)["run"] == run
