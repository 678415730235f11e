"""Noise on training images."""

import pytest
import torch
from torch import Tensor

from trainers.data.gaussian import Gaussian
from trainers.errors import SpecError


def test_noise_has_the_deviation_it_is_given_and_spares_clean_images() -> None:
    grey = torch.full((200, 1, 10, 10), 128, dtype=torch.uint8)
    noisy = Gaussian(std=0.05, clean=0.25).varied(grey, torch.Generator().manual_seed(3))
    is_clean = (noisy == 128).flatten(1).all(1)
    assert is_clean.float().mean().item() == pytest.approx(0.25, abs=0.08)
    assert (noisy[~is_clean] - 128).std().item() == pytest.approx(0.05 * 255, rel=0.03)


def test_what_is_drawn_depends_on_the_generator_alone() -> None:
    images = torch.arange(0, 240, dtype=torch.uint8).reshape(5, 3, 4, 4)
    untouched = images.clone()

    def varied(seed: int) -> Tensor:
        return Gaussian().varied(images, torch.Generator().manual_seed(seed))

    first = varied(1)
    assert torch.equal(first, varied(1))
    assert not torch.equal(first, varied(2))
    assert first.shape == images.shape
    assert torch.equal(images, untouched)


def test_noise_stays_between_black_and_white() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 2, 1, 1).repeat(50, 1, 4, 4)
    noisy = Gaussian(std=0.5).varied(pixels, torch.Generator().manual_seed(0))
    assert noisy.is_floating_point()
    # Half of the noise on a black pixel would be darker than black.
    assert (noisy[:, 0].min(), noisy[:, 1].max()) == (0, 255)
    for channel, border in ((0, 0.0), (1, 255.0)):
        share = (noisy[:, channel] == border).float().mean().item()
        assert share == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": 0.0}, r"std: must be positive, got 0\.0"),
        ({"std": float("nan")}, "std: must be positive, got nan"),
        ({"clean": 1.0}, r"clean: must be in \[0, 1\), got 1\.0"),
        ({"clean": -0.1}, r"clean: must be in \[0, 1\), got -0\.1"),
    ],
)
def test_impossible_numbers_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Gaussian(**options)
