"""AutoAugment."""

from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from trainers.data.autoaugment import AutoAugment
from trainers.errors import SpecError


@pytest.mark.parametrize("policy", ["cifar10", "imagenet", "svhn"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_becomes_what_torchvision_makes_of_it(policy: Any, channels: int) -> None:
    source = torch.Generator().manual_seed(4)
    pixels = torch.randint(0, 256, (8, channels, 16, 16), dtype=torch.uint8, generator=source)
    found = AutoAugment(policy=policy).varied(pixels, torch.Generator().manual_seed(1))
    seeds = torch.randint(2**62, (8,), generator=torch.Generator().manual_seed(1))
    transform = v2.AutoAugment(v2.AutoAugmentPolicy(policy))
    with torch.random.fork_rng(devices=[]):
        for image, seed, made in zip(pixels, seeds.tolist(), found, strict=True):
            torch.manual_seed(seed)
            assert torch.equal(transform(image).float(), made)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(SpecError, match="policy: unknown value 'cifar'; known: cifar10"):
        AutoAugment(policy="cifar")  # type: ignore[arg-type]


def test_images_have_one_colour_or_three() -> None:
    assert "2 channels" in str(AutoAugment().faults((2, 8, 8))[0])
