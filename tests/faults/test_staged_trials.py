"""A study whose trials have a stage before and a teacher, from the command line."""

import hashlib
from typing import Any

import pytest
from world.scale import FULL

from trainers import build_model, export_packed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FULL, reason="takes half a minute: only with BNN_FAULTS=full"),
]

STUDY = """
study: staged
question: Does it help to learn from a teacher, in two stages?
base:
  model: {name: mlp, widths: [64, 12, 10]}
  data: {name: digits, batch_size: 64}
  optimizer: {name: adam, lr: 0.01}
  layers: {order: [fc1, fc2]}
  epochs: 2
  teacher: {file: teacher.safetensors, sha256: SHA}
  distillation: {name: kl, temperature: 4}
  before: {layers: {order: []}, teacher: null, distillation: none, epochs: 3}
axes:
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: seed}
"""


def test_stages_and_a_teacher_come_from_a_study_to_mlflow(user: Any) -> None:
    data = user.folder / "data"
    data.mkdir()
    export_packed(build_model("mlp", widths=[64, 8, 10]), data / "teacher.safetensors")
    sha = hashlib.sha256((data / "teacher.safetensors").read_bytes()).hexdigest()
    path = user.writes(STUDY.replace("SHA", sha), "staged.yaml")
    missing = user.runs("sweep", path, "--concurrency", "1", "--data-dir", "elsewhere")
    assert missing.code != 0
    assert "the teacher cannot be read from" in missing.err
    done = user.runs("sweep", path, "--concurrency", "1", "--data-dir", "data")
    assert done.code == 0, done.err
    [cell] = user.cells()
    assert {step for key, step in cell.points if key == "validation/error"} == set(range(5))
    assert cell.tags["bnn.began_from"].startswith("stage 1: epoch ")
    again = user.runs("sweep", path, "--concurrency", "1", "--data-dir", "data")
    assert "nothing left to do" in again.out
