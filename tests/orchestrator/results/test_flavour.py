"""An exported network as MLflow's pyfunc loads it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from orchestrator.results.flavour import BATCH, _load_pyfunc
from trainers import SpecError, build_model, export_packed


def test_scores_are_the_networks_logits_for_arrays_and_lists(tmp_path: Path) -> None:
    model = build_model("mlp", widths=[12, 5, 3]).eval()
    export_packed(model, tmp_path / "net.bnn", {})
    scores = _load_pyfunc(str(tmp_path / "net.bnn"))
    images = torch.randn(4, 1, 3, 4)
    with torch.no_grad():
        expected = model(images).numpy()
    assert np.array_equal(scores.predict(images.numpy()), expected)
    assert np.array_equal(scores.predict(images.tolist(), params=None), expected)
    assert scores.predict(images.numpy()).dtype == np.float32


def test_many_images_are_scored_a_part_at_a_time(tmp_path: Path) -> None:
    export_packed(build_model("mlp", widths=[2, 3]), tmp_path / "net.bnn", {})
    images = np.zeros((BATCH + 5, 1, 1, 2), dtype=np.float32)
    assert _load_pyfunc(str(tmp_path / "net.bnn")).predict(images).shape == (BATCH + 5, 3)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.bnn").write_bytes(b"nothing")
    with pytest.raises(SpecError, match="is not a safetensors file"):
        _load_pyfunc(str(tmp_path / "net.bnn"))
