"""From a sweep to a server that answers with class scores."""

import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainers import load_packed

pytestmark = pytest.mark.slow

STUDY = """\
study: methods
question: Which binarizer suits a few digits?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2], epochs_per_layer: 0}
  epochs: 4
axes:
  - {name: weights, sets: weights.name, values: [sign, mcdonnell]}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: weights, over: seed}
checkpoint: {policy: best}
"""


@pytest.fixture(scope="module")
def said(settled: Any) -> str:
    """What a user was told who has swept a study and exported its best cell."""
    path = settled.writes(STUDY, "methods.yaml")
    assert settled.runs("sweep", path, "--concurrency", "1").code == 0
    done = settled.runs("export", "best:methods", "-o", "out/net.bnn")
    assert done.code == 0, done.err
    assert "verified  the file alone gives the same logits, bit by bit" in done.out
    return str(done.out)


@pytest.fixture
def exported(settled: Any, said: str) -> Any:
    """That user."""
    return settled


@pytest.fixture
def uri(said: str) -> str:
    """The network that MLflow got."""
    [uri] = [line.split()[1] for line in said.splitlines() if line.startswith("MLflow")]
    return uri


def _environment(user: Any) -> dict[str, str]:
    """As in a shell in which the environment of this Python is active."""
    path = os.pathsep.join([str(Path(sys.executable).parent), user.environment.get("PATH", "")])
    root = str(Path(__file__).resolve().parents[2])
    return {
        **user.environment,
        "PATH": path,
        "PYTHONPATH": root,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{user.home}/mlflow.db",
    }


def test_the_best_cell_is_exported_and_tagged(exported: Any) -> None:
    errors = {
        cell.name: value
        for cell in exported.cells()
        for (key, _), value in cell.points.items()
        if key == "selected/validation_error"
    }
    assert len(errors) == 2
    tagged = {cell.name: cell.tags for cell in exported.cells() if "bnn.export" in cell.tags}
    [(name, tags)] = tagged.items()
    assert errors[name] == min(errors.values())
    assert tags["bnn.export_verified"] == "true"


def test_the_checksum_that_is_said_is_that_of_the_file(exported: Any, said: str) -> None:
    content = (exported.folder / "out" / "net.bnn").read_bytes()
    assert f"sha256    {hashlib.sha256(content).hexdigest()}, for a study's key teacher" in said


def test_evaluating_the_file_gives_the_error_that_was_recorded(exported: Any) -> None:
    done = exported.runs("evaluate", "out/net.bnn")
    assert done.code == 0, done.err
    for line in done.out.splitlines():
        measured, recorded = line.split("error ")[1].split(" when")[0].split("; ")
        assert measured == recorded
    assert len(done.out.splitlines()) == 2


def test_every_method_can_be_exported_by_its_run_and_looked_into(exported: Any) -> None:
    query = "SELECT run_uuid FROM tags WHERE key = 'bnn.kind' AND value = 'cell'"
    with sqlite3.connect(exported.home / "mlflow.db") as database:
        runs = [run for (run,) in database.execute(query)]
    assert len(runs) == 2
    for run in runs:
        assert exported.runs("export", run, "-o", f"out/{run}.bnn").code == 0
        done = exported.runs("inspect", f"out/{run}.bnn")
        assert done.code == 0
        for said in ("bnn-packed, version 1", "fc2", "bits", "times smaller", run):
            assert said in done.out


def test_a_real_server_answers_a_real_request_with_class_scores(exported: Any, uri: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["-m", uri, "--host", "127.0.0.1", "--port", str(port)]
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    body = json.dumps({"inputs": images.tolist()}).encode()
    with (exported.folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            command, env=_environment(exported), cwd=exported.folder, stdout=log, stderr=log
        )
    try:
        answer = json.loads(_posted(f"http://127.0.0.1:{port}", body, server))
    finally:
        server.terminate()
        server.wait(30)
    with torch.no_grad():
        expected = load_packed(exported.folder / "out" / "net.bnn")(images).numpy()
    assert np.array_equal(np.array(answer["predictions"], dtype=np.float32), expected)


def test_mlflow_predicts_from_a_file_of_images(exported: Any, uri: str) -> None:
    (exported.folder / "images.json").write_text(json.dumps({"inputs": [[[[0.5] * 8] * 8]] * 2}))
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local"]
    command += ["-m", uri, "-t", "json", "-i", "images.json", "-o", "scores.json"]
    subprocess.run(
        command, env=_environment(exported), cwd=exported.folder, check=True, timeout=120
    )
    scores = json.loads((exported.folder / "scores.json").read_text())["predictions"]
    assert np.array(scores).shape == (2, 10)


def _posted(address: str, body: bytes, server: "subprocess.Popen[bytes]") -> bytes:
    """The answer to a request, once the server is up."""
    request = urllib.request.Request(
        f"{address}/invocations", data=body, headers={"Content-Type": "application/json"}
    )
    until = time.monotonic() + 90
    while True:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: bytes = response.read()
            return answer
        except (ConnectionError, urllib.error.URLError):
            assert time.monotonic() < until, "the server did not come up"
            time.sleep(0.5)
