"""Colour jitter."""

import pytest
import torch

from trainers.data.color_jitter import ColorJitter
from trainers.errors import SpecError


def _varied(jitter: ColorJitter, channels: int = 3) -> torch.Tensor:
    pixels = torch.full((6, channels, 2, 2), 100, dtype=torch.uint8)
    return jitter.varied(pixels, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_has_a_factor_of_its_own_for_each_image(channels: int) -> None:
    found = _varied(ColorJitter(brightness=0.3, contrast=0, saturation=0, hue=0), channels)
    assert len(found.unique()) == 6
    assert 70 <= found.min() < found.max() <= 130


def test_grey_images_have_neither_saturation_nor_hue() -> None:
    for channels in (1, 3):
        found = _varied(ColorJitter(brightness=0, contrast=0), channels)
        # Through hue and back, torchvision may lose a level.
        assert (found - 100).abs().max() <= 1
    assert ColorJitter().faults((1, 8, 8)) == ColorJitter().faults((3, 8, 8)) == []
    assert "2 channels" in str(ColorJitter().faults((2, 8, 8))[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contrast": -0.1}, "contrast: must be 0 or more"),
        ({"hue": 0.6}, "hue: must be between 0 and 0"),
        ({"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}, "changes nothing"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ColorJitter(**options)
