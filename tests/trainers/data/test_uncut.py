"""Windows of pictures of any size, against torchvision and Pillow on the same pictures."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from trainers.data.uncut import Uncut, Views, each_scaled, scaled

SIZES = [(20, 20), (20, 33), (27, 20), (20, 21)]


def _pictures(channels: int = 1) -> list[Tensor]:
    source = torch.Generator().manual_seed(5)
    shapes = [(channels, *size) for size in SIZES]
    return [torch.randint(0, 256, shape, generator=source, dtype=torch.uint8) for shape in shapes]


def _uncut(views: Views = "centre", channels: int = 1) -> tuple[Uncut, Tensor]:
    flat = torch.cat([picture.movedim(0, 2).flatten() for picture in _pictures(channels)])
    return Uncut.of(torch.tensor(SIZES), channels=channels, size=16, views=views), flat


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_lie_one_behind_the_other(channels: int) -> None:
    uncut, flat = _uncut(channels=channels)
    for row, picture in enumerate(_pictures(channels)):
        assert torch.equal(uncut.picture(flat, row), picture)
        behind_others = torch.cat((torch.zeros(7, dtype=torch.uint8), flat))[7:]
        assert torch.equal(uncut.picture(behind_others, row), picture)


def test_the_centre_is_that_of_torchvision() -> None:
    uncut, flat = _uncut()
    rows = torch.tensor([2, 0, 3, 1])
    expected = [transforms.CenterCrop(16)(_pictures()[row]) for row in rows.tolist()]
    assert torch.equal(uncut.viewed(flat, rows), torch.stack(expected))
    assert uncut.num_views == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_ten_windows_are_those_of_torchvision(channels: int) -> None:
    uncut, flat = _uncut("ten", channels)
    rows = torch.tensor([1, 3])
    found = uncut.viewed(flat, rows).unflatten(0, (10, 2)).unbind(1)
    for row, windows in zip(rows.tolist(), found, strict=True):
        # Its corners come before the centre.
        expected = list(transforms.TenCrop(16)(_pictures(channels)[row]))
        for first in (0, 5):
            expected.insert(first, expected.pop(first + 4))
        assert torch.equal(windows, torch.stack(expected))
    assert uncut.num_views == 10


@pytest.mark.parametrize("box", [[0, 0, 60, 80], [3, 5, 40, 31], [10, 20, 9, 12], [7, 9, 30, 30]])
def test_a_box_is_scaled_as_pillow_scales_it(box: list[int]) -> None:
    source = torch.Generator().manual_seed(6)
    picture = torch.randint(0, 256, (1, 60, 80), generator=source, dtype=torch.uint8)
    top, left, height, width = box
    part = Image.fromarray(picture[0].numpy()).crop((left, top, left + width, top + height))
    expected = torch.from_numpy(np.array(part.resize((30, 30), Image.Resampling.BILINEAR)))
    difference = (scaled(picture, box, (30, 30))[0].int() - expected.int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.3


def test_boxes_of_images_of_one_size_keep_it() -> None:
    images = torch.arange(2 * 3 * 6 * 4, dtype=torch.uint8).reshape(2, 3, 6, 4)
    boxes = torch.tensor([[0, 0, 6, 4], [2, 1, 2, 3]])
    found = each_scaled(images, boxes)
    assert torch.equal(found[0], images[0])
    assert torch.equal(found[1], scaled(images[1], [2, 1, 2, 3], (6, 4)))
    assert found.shape == images.shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_scales_as_a_processor_but_for_one_level() -> None:
    source = torch.Generator().manual_seed(7)
    images = torch.randint(0, 256, (2, 3, 40, 50), generator=source, dtype=torch.uint8)
    boxes = torch.tensor([[0, 0, 40, 50], [3, 5, 30, 17]])
    found = each_scaled(images.cuda(), boxes)
    assert (found.cpu().int() - each_scaled(images, boxes).int()).abs().max() <= 1
