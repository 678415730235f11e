"""What AugMix's operations do to pixels, beside Pillow's functions of the same names."""

import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from trainers.data import image_operations as ops

LEVELS = torch.tensor([0.5, 2.0, 3.0, 10.0])
SIGNS = torch.tensor([1, -1, 1, -1])


def _images(num: int = 4, size: int = 16) -> Tensor:
    """Smooth colour images with some noise, so that brightnesses are spread unevenly."""
    source = torch.Generator().manual_seed(0)
    ramp = torch.linspace(20, 180, size).reshape(1, 1, 1, size)
    noise = torch.randint(0, 60, (num, 3, size, size), generator=source)
    return (ramp + noise).to(torch.uint8)


def _pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def _tensor(image: Image.Image) -> Tensor:
    content = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return content.reshape(image.height, image.width, 3).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("operation", "pillow", "off"),
    [
        (ops.autocontrast, lambda image, level: ImageOps.autocontrast(image), 1),
        (ops.equalize, lambda image, level: ImageOps.equalize(image), 0),
        (
            ops.posterize,
            lambda image, level: ImageOps.posterize(image, max(1, 4 - int(level * 0.4))),
            0,
        ),
        (
            ops.solarize,
            lambda image, level: ImageOps.solarize(image, 256 - int(level * 25.6)),
            0,
        ),
        (ops.color, lambda image, level: ImageEnhance.Color(image).enhance(level * 0.18 + 0.1), 2),
        (
            ops.contrast,
            lambda image, level: ImageEnhance.Contrast(image).enhance(level * 0.18 + 0.1),
            2,
        ),
        (
            ops.brightness,
            lambda image, level: ImageEnhance.Brightness(image).enhance(level * 0.18 + 0.1),
            1,
        ),
        (
            ops.sharpness,
            lambda image, level: ImageEnhance.Sharpness(image).enhance(level * 0.18 + 0.1),
            2,
        ),
    ],
)
def test_an_operation_does_to_each_image_what_pillow_does(
    operation: ops.Operation, pillow: object, off: int
) -> None:
    images = _images()
    found = operation(images, LEVELS, SIGNS)
    for image, level, mine in zip(images, LEVELS, found, strict=True):
        expected = _tensor(pillow(_pillow(image), level.item()))  # type: ignore[operator]
        assert (mine.int() - expected.int()).abs().max() <= off


def test_a_rotation_turns_as_pillow_does() -> None:
    images = _images(size=32)
    found = ops.rotate(images, LEVELS, SIGNS)
    for image, level, sign, mine in zip(images, LEVELS, SIGNS, found, strict=True):
        degrees = int(level.item() * 3) * int(sign)
        expected = _tensor(_pillow(image).rotate(degrees, resample=Image.Resampling.BILINEAR))
        inside = (slice(None), slice(6, 26), slice(6, 26))
        assert (mine.int() - expected.int())[inside].abs().max() <= 2


def test_translations_move_whole_pixels_and_leave_black() -> None:
    images = _images(size=30)
    moved = ops.translate_x(images, LEVELS, SIGNS)
    assert torch.equal(moved[1, :, :, 2:], images[1, :, :, :-2])
    assert not moved[1, :, :, :2].any()
    assert torch.equal(moved[2, :, :, :-3], images[2, :, :, 3:])
    down = ops.translate_y(images, LEVELS, SIGNS)
    assert torch.equal(down[1, :, 2:], images[1, :, :-2])


def test_a_shear_leaves_the_row_it_turns_about_and_moves_the_last_most() -> None:
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    image[..., 16] = 255
    sheared = ops.shear_x(image, torch.tensor([10.0]), torch.tensor([1]))[0, 0].float()
    columns = torch.arange(32).float()
    place = (sheared * columns).sum(1) / sheared.sum(1)
    assert place[0].item() == pytest.approx(16, abs=0.5)
    assert place[31].item() == pytest.approx(16 - 0.3 * 31.5, abs=0.5)


@pytest.mark.parametrize("operation", ops.ALL)
def test_operations_take_flat_images(operation: ops.Operation) -> None:
    flat = torch.full((4, 3, 8, 8), 77, dtype=torch.uint8)
    result = operation(flat, LEVELS, SIGNS)
    assert (result.shape, result.dtype) == (flat.shape, torch.uint8)


def test_a_vertical_shear_moves_the_last_column_most() -> None:
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    image[:, :, 16] = 255
    level, sign = torch.tensor([10.0]), torch.tensor([-1])
    sheared = ops.shear_y(image, level, sign)[0, 0].float()
    place = (sheared * torch.arange(32).float()[:, None]).sum(0) / sheared.sum(0)
    assert place[0].item() == pytest.approx(16, abs=0.5)
    assert place[31].item() == pytest.approx(16 + 0.3 * 31.5, abs=0.5)
    turned = ops.shear_x(image.transpose(2, 3), level, sign)
    assert torch.equal(turned.transpose(2, 3)[0, 0].float(), sheared)


def test_an_image_of_one_channel_keeps_its_colours() -> None:
    grey = _images()[:, :1]
    assert torch.equal(ops.color(grey, LEVELS, SIGNS), grey)
    assert not torch.equal(ops.color(_images(), LEVELS, SIGNS), _images())


def test_all_operations_are_those_of_the_paper_and_the_four_of_the_corruptions() -> None:
    assert ops.ALL[: len(ops.OPERATIONS)] == ops.OPERATIONS
    others = {operation.__name__ for operation in ops.ALL[len(ops.OPERATIONS) :]}
    assert others == {"color", "contrast", "brightness", "sharpness"}
    assert len(ops.ALL) == len(set(ops.ALL)) == 13
