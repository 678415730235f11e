"""Lighting of the training tricks: its increments, and the published arithmetic on bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers.data.lighting import increments, on_bytes

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("tricks.json").read_text())["cases"]


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case["kind"] == "lighting"])
def test_increments_and_both_arithmetics_are_the_published_ones(name: str) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["expected"]
    normals = torch.tensor([setup["normal_vector"]], dtype=torch.float64)
    added = increments(normals, std=setup["alphastd"])
    assert added[0].tolist() == pytest.approx(expected["increment"], rel=1e-6)
    height, width = setup["height"], setup["width"]
    place = torch.arange(1, height * width * 3 + 1)
    image = ((7 * place * place + 31 * place + 13) % 256).reshape(height, width, 3)
    pixels = image.permute(2, 0, 1)[None].byte()
    found = on_bytes(pixels, added)[0].permute(1, 2, 0).flatten()
    assert found.tolist() == expected["reference_uint8_output"]
    real = (pixels.double() / 255 + added[:, :, None, None])[0].permute(1, 2, 0).flatten()
    wanted = expected["intended_float01_output_first15"]
    assert real[:15].tolist() == pytest.approx(wanted, rel=1e-6)
