"""The test part of a data set is not there before the full runs: nobody misses it until then."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

STUDY = """\
study: net-{stage}
question: What does stage {stage} find on a few grey images?
base:
  model: {{name: mlp, widths: [64, 8, 2]}}
  data:
    {{name: image_folder, folder: grey, size: 8, channels: 1, classes: 2, train_images: 40,
     validation: 8, batch_size: 8, mean: [0.5], std: [0.5]}}
  optimizer: {{name: adam, lr: 0.02}}
  layers: {{order: {order}, epochs_per_layer: {epochs}}}
  epochs: 2
  measure_test: {measure}
axes: [{axes}]
metric: {{name: selected/{part}_error}}
matrix: {{rows: {rows}, over: {over}}}
"""
LAYERS = "{name: layer, sets: layers.order, single_layers: all}"
ORDERS = "{name: order, sets: layers.order, permutations: [ascend], controls: [float, binary]}"
RATES = "{name: lr, sets: optimizer.lr, values: [0.02]}"
SEEDS = "{name: seed, seeds: [1]}"


def _write_images(folder: Path, part: str, *, each: int) -> None:
    drawn = np.random.default_rng(3)
    for number, name in enumerate(("dark", "light")):
        (folder / part / name).mkdir(parents=True)
        for index in range(each):
            pixels = drawn.integers(0, 120, (8, 8)) + 120 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / part / name / f"{index}.png")


def test_the_test_part_is_not_read_before_the_full_runs(user: Any) -> None:
    folder = user.folder / "data" / "grey"
    _write_images(folder, "train", each=20)
    searched = {"measure": "false", "part": "validation", "over": "lr"}
    stages: dict[str, dict[str, object]] = {
        "sensitivity": {"rows": "layer", "axes": f"{LAYERS}, {RATES}", "order": [], "epochs": 0},
        "lr": {"rows": "order", "axes": f"{ORDERS}, {RATES}", "order": [1, 2], "epochs": 1},
    }
    for stage, parts in stages.items():
        user.writes(STUDY.format(stage=stage, **parts, **searched), f"net-{stage}.yaml")
    full = {**stages["lr"], "measure": "true", "part": "test", "over": "seed"}
    text = STUDY.format(stage="full", **{**full, "axes": f"{ORDERS}, {SEEDS}"})
    user.writes(text, "net-full.yaml")

    stopped = user.runs("protocol", "./net", "--data-dir", "data", "--concurrency", "1")
    assert stopped.code == 2
    assert "stage 3 of 3: full" in stopped.out
    assert "test" in stopped.err
    names = {key for cell in user.cells() for key, _ in cell.points}
    assert "selected/validation_error" in names
    assert not any("test" in name for name in names)

    _write_images(folder, "test", each=10)
    done = user.runs("protocol", "./net", "--data-dir", "data", "--concurrency", "1")
    assert done.code == 0, done.err
    full_cells = [cell for cell in user.cells() if cell.tags["bnn.study"] == "net-full"]
    assert len(full_cells) == 3
    assert all(("selected/test_error", 1) in cell.points for cell in full_cells)
