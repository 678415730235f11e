"""AugMix: what is drawn."""

import pytest
import torch
from torch import Tensor

from trainers.data.augment import Augment
from trainers.data.augmix import AugMix
from trainers.errors import SpecError


def _images(num: int) -> Tensor:
    source = torch.Generator().manual_seed(0)
    return torch.randint(20, 240, (num, 3, 16, 16), generator=source, dtype=torch.uint8)


@pytest.mark.parametrize("method", [AugMix(), AugMix(all=True, depth=2, width=1)])
def test_what_is_drawn_depends_on_the_generator_alone(method: AugMix) -> None:
    images = _images(6)

    def varied(seed: int) -> Tensor:
        return method.varied(images, torch.Generator().manual_seed(seed))

    first = varied(1)
    assert torch.equal(first, varied(1))
    assert not torch.equal(first, varied(2))
    assert first.shape == images.shape
    assert 0 <= first.min() <= first.max() <= 255
    assert torch.equal(images, _images(6))


def test_several_views_begin_with_the_image_as_it_is() -> None:
    images = _images(5)
    augment = Augment(variation=AugMix())
    vary = augment.vary(torch.Generator().manual_seed(4), num_views=3)
    assert vary is not None
    views = vary(images).split(5)
    assert len(views) == 3
    assert torch.equal(views[0], images.float())
    assert not torch.equal(views[1], views[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width: must be 1 or more"),
        ({"depth": 0}, "depth: must be 1 or more"),
        ({"severity": 11.0}, "severity: must be above 0.1"),
    ],
)
def test_impossible_numbers_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        AugMix(**options)
