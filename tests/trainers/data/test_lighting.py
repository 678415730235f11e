"""Lighting: a random colour for each image."""

import pytest
import torch

from trainers.data.lighting import Lighting, increments, on_bytes
from trainers.errors import SpecError


def test_each_image_gets_one_colour_of_its_own() -> None:
    pixels = torch.full((3, 3, 4, 4), 128, dtype=torch.uint8)
    found = Lighting().varied(pixels, torch.Generator().manual_seed(0))
    normals = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    expected = 128 + 255 * increments(normals, std=0.1)
    assert torch.equal(found, expected[:, :, None, None].expand(3, 3, 4, 4))


def test_published_bytes_are_cut_and_come_in_at_the_other_end() -> None:
    pixels = torch.tensor([0, 7, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    for added, expected in ((0.4, [0, 7, 255]), (-0.4, [0, 6, 254]), (-1.4, [255, 5, 253])):
        found = on_bytes(pixels, torch.full((1, 3), added))
        assert found.flatten().tolist() == expected
    assert on_bytes(pixels, torch.full((1, 3), 1.0)).flatten().tolist() == [1, 8, 0]


def test_published_lighting_only_subtracts_a_level_or_nothing() -> None:
    pixels = torch.full((40, 3, 1, 1), 128, dtype=torch.uint8)
    found = Lighting(arithmetic="published").varied(pixels, torch.Generator().manual_seed(0))
    assert set(found.unique().tolist()) == {127.0, 128.0}


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(SpecError, match="std: must be positive, got 0"):
        Lighting(std=0)
    with pytest.raises(SpecError, match="arithmetic: unknown value 'float'; known: publ"):
        Lighting(arithmetic="float")  # type: ignore[arg-type]
