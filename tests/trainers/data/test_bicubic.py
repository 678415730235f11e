"""Rotation with Pillow's BICUBIC, against Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image

from trainers.data.bicubic import AT_ONCE, rotated_bicubic
from trainers.data.rotation import Rotation
from trainers.errors import SpecError

ANGLES = (-10.0, -3.3, 0.0, 7.1, 90.0, 140.0)


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 30, 41)])
def test_each_image_is_turned_as_pillow_turns_it(shape: tuple[int, int, int]) -> None:
    source = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 256, (len(ANGLES), *shape), dtype=torch.uint8, generator=source)
    found = rotated_bicubic(pixels, torch.tensor(ANGLES))
    for image, angle, turned in zip(pixels, ANGLES, found, strict=True):
        for band, result in zip(image, turned, strict=True):
            picture = Image.fromarray(band.numpy()).rotate(angle, Image.Resampling.BICUBIC)
            difference = (result.int() - torch.from_numpy(np.array(picture)).int()).abs()
            # A value that is a whole number may lose it as a fraction of another kind of number.
            assert difference.max() <= 1
            assert (difference > 0).float().mean() < 0.001


def test_how_many_are_turned_together_changes_nothing() -> None:
    pixels = torch.arange(AT_ONCE + 3).byte()[:, None, None, None] + torch.eye(5).byte() * 90
    angles = torch.linspace(-10, 10, len(pixels))
    alone = [rotated_bicubic(pixels[[row]], angles[[row]]) for row in range(len(pixels))]
    assert torch.equal(rotated_bicubic(pixels, angles), torch.cat(alone))


def test_a_flat_image_stays_flat_and_its_corners_turn_black() -> None:
    turned = rotated_bicubic(torch.full((1, 1, 50, 50), 255).byte(), torch.tensor([10.0]))
    assert turned.unique().tolist() == [0, 255]
    assert turned[0, 0, 0, 0] == 0
    assert (turned[0, 0, 12:38, 12:38] == 255).all()


def test_the_augmentation_takes_it_and_draws_the_same_angles() -> None:
    pixels = torch.randint(0, 256, (4, 1, 20, 20), dtype=torch.uint8)
    angles = torch.empty(4).uniform_(-1, 1, generator=torch.Generator().manual_seed(3)) * 10
    smooth = Rotation(degrees=10, interpolation="bicubic")
    found = smooth.varied(pixels, torch.Generator().manual_seed(3))
    assert torch.equal(found, rotated_bicubic(pixels, angles).float())
    with pytest.raises(SpecError, match="unknown value 'cubic'; known: bicubic, nearest"):
        Rotation(interpolation="cubic")  # type: ignore[arg-type]
