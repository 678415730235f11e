"""Random rotation, against torchvision's."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, functional

from trainers.data.image_operations import rotated
from trainers.data.rotation import Rotation
from trainers.errors import SpecError


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 20)])
def test_each_image_is_turned_as_torchvision_turns_it(shape: tuple[int, int, int]) -> None:
    source = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, 256, (5, *shape), dtype=torch.uint8, generator=source)
    angles = torch.tensor([-15.0, -3.3, 0.0, 7.1, 140.0])
    found = rotated(pixels, angles, mode="nearest")
    for image, angle, turned in zip(pixels, angles.tolist(), found, strict=True):
        expected = functional.rotate(image, angle, InterpolationMode.NEAREST)
        # A place halfway between two pixels may be rounded to either.
        assert (turned != expected).float().mean() < 0.02


def test_angles_are_drawn_for_each_image_up_to_the_largest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.Tensor] = []

    def watch(pixels: torch.Tensor, angles: torch.Tensor, *, mode: str) -> torch.Tensor:
        seen.append(angles)
        return pixels

    monkeypatch.setattr("trainers.data.rotation.rotated", watch)
    Rotation(degrees=20).varied(torch.zeros(2000, 1, 1, 1), torch.Generator().manual_seed(1))
    assert len(seen[0].unique()) > 1900
    assert -20 <= seen[0].min() < -19 < 19 < seen[0].max() <= 20


@pytest.mark.parametrize("degrees", [0.0, 181.0, float("nan")])
def test_an_angle_out_of_range_is_refused(degrees: float) -> None:
    with pytest.raises(SpecError, match="degrees: must be above 0 and at most 180"):
        Rotation(degrees=degrees)
