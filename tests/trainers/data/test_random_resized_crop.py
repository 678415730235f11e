"""Random-resized crops: which boxes are drawn, and that a trial can be read with them."""

import math
from typing import Any

import pytest
import torch

from trainers.data.augment import Augment
from trainers.data.random_resized_crop import ATTEMPTS, RandomResizedCrop
from trainers.errors import SpecError

SIZES = torch.tensor([[256, 256], [256, 400], [300, 256], [9, 7]]).repeat(200, 1)


def _boxes(crop: RandomResizedCrop, sizes: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return crop.drawer(torch.Generator().manual_seed(seed))(sizes)


def test_every_box_lies_in_its_picture_and_has_an_allowed_area_and_shape() -> None:
    boxes = _boxes(RandomResizedCrop(scale=(0.25, 0.5)), SIZES).double()
    corners, sides, full = boxes[:, :2], boxes[:, 2:], SIZES.double()
    assert (corners >= 0).all()
    assert (corners + sides <= full).all()
    # Sides are rounded to pixels, which small pictures feel.
    large = full.amin(1) > 9
    share = (sides.prod(1) / full.prod(1))[large]
    ratio = (sides[:, 1] / sides[:, 0])[large]
    assert 0.245 < share.min() < 0.26 < 0.49 < share.max() < 0.505
    assert 0.74 < ratio.min() < 0.78 < 1.29 < ratio.max() < 1.35
    assert boxes[large].unique(dim=0).shape[0] > 590


def test_boxes_are_those_of_torchvisions_arithmetic() -> None:
    crop = RandomResizedCrop()
    draws = torch.rand(4, 1, ATTEMPTS, generator=torch.Generator().manual_seed(1)).double()
    for height, width in ((256, 256), (256, 400), (1000, 256)):
        [box] = crop.boxes(draws)
        found = box(height, width)
        for attempt in range(ATTEMPTS):
            scale, ratio, top, left = draws[:, 0, attempt].tolist()
            area = height * width * (0.08 + (1 - 0.08) * scale)
            ratio = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * ratio)
            h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < h <= height and 0 < w <= width:
                corner = [int(top * (height - h + 1)), int(left * (width - w + 1))]
                assert found == [*corner, h, w]
                break


@pytest.mark.parametrize(
    ("size", "box"),
    [((50, 200), [0, 66, 50, 67]), ((200, 50), [66, 0, 67, 50]), ((50, 60), [0, 0, 50, 60])],
)
def test_where_no_box_fits_it_is_the_centre(size: tuple[int, int], box: list[int]) -> None:
    # A share of one of a long picture never has an allowed shape.
    crop = RandomResizedCrop(scale=(1, 1))
    draws = torch.zeros(4, 1, ATTEMPTS, dtype=torch.float64)
    [found] = crop.boxes(draws)
    assert found(*size) == box


def test_a_box_has_a_pixel_at_least() -> None:
    [flat] = RandomResizedCrop(scale=(1, 1), ratio=(5, 9)).by_row(3)(torch.arange(1))
    assert flat(1000, 1) == [499, 0, 1, 1]


def test_the_same_generator_draws_the_same_boxes_and_each_batch_draws_anew() -> None:
    crop = RandomResizedCrop()
    assert torch.equal(_boxes(crop, SIZES, 4), _boxes(crop, SIZES, 4))
    assert not torch.equal(_boxes(crop, SIZES, 4), _boxes(crop, SIZES, 5))
    draw = crop.drawer(torch.Generator().manual_seed(4))
    assert not torch.equal(draw(SIZES), draw(SIZES))


def test_a_study_says_it_as_a_mapping_and_gets_it_back() -> None:
    augment = Augment.from_mapping({"random_resized_crop": {"scale": [0.5, 1]}, "flip": True})
    assert augment.random_resized_crop == RandomResizedCrop(scale=(0.5, 1.0))
    assert augment.to_mapping() == {"flip": True, "random_resized_crop": {"scale": [0.5, 1.0]}}
    plain = Augment.from_mapping({"random_resized_crop": {}})
    assert plain.to_mapping() == {"random_resized_crop": {}}
    assert plain.needs_bytes
    assert not Augment(crop=4).needs_bytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (0.0, 1.0)}, "scale: must be two shares, the smaller first, above 0 and at"),
        ({"scale": (0.5, 0.2)}, "scale: .* got 0.5, 0.2"),
        ({"scale": (0.5, 1.2)}, "scale: .* got 0.5, 1.2"),
        ({"ratio": (0.0, 1.0)}, "ratio: must be two numbers above 0, the smaller first"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        RandomResizedCrop(**options)
