"""Image operations for AugMix, on many images at a time, each with its own level.

Every operation takes images (n, channels, height, width), uint8; levels (n,), from 0 to 10; and
signs (n,), 1 or -1, used by operations with a direction. It returns images of the same shape and
dtype. The operations follow Pillow's functions of the same names, as used in the code published
with arXiv:1912.02781.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Operation = Callable[[Tensor, Tensor, Tensor], Tensor]


def autocontrast(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Stretches each channel so that its darkest pixel is black and its brightest is white."""
    x = images.float()
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    scale = 255 / (high - low).clamp_min(1)
    stretched = ((x - low) * scale).clamp(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, images)


def equalize(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Spreads the brightness of each channel so that all levels are about equally frequent."""
    flat = images.flatten(2).flatten(0, 1).long()
    counts = torch.zeros(len(flat), 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat))
    last = counts.gather(1, flat.amax(1, keepdim=True))
    step = (counts.sum(1, keepdim=True) - last) // 255
    table = (counts.cumsum(1) - counts + step // 2) // step.clamp_min(1)
    spread = table.clamp(0, 255).gather(1, flat)
    # A channel with one brightness, or almost only one, stays unchanged.
    result = torch.where(step > 0, spread, flat)
    return result.to(torch.uint8).reshape(images.shape)


def posterize(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Keeps only the highest 4 - int(0.4 level) bits of each pixel, at least one."""
    bits = (4 - (levels * 0.4).long()).clamp_min(1)
    masks = (256 - 2 ** (8 - bits)).to(torch.uint8)
    return images & masks[:, None, None, None]


def solarize(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Inverts pixels of 256 - int(25.6 level) or brighter."""
    borders = 256 - (levels * 25.6).long()
    return torch.where(images.long() >= borders[:, None, None, None], 255 - images, images)


def rotate(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Rotates about the centre by int(3 level) degrees."""
    return rotated(images, (levels * 3).long() * signs.float())


def shear_x(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Shifts each row sideways by 0.03 level of its height."""
    return _sampled(images, (1, levels * signs * 0.03, 0), (0, 1, 0))


def shear_y(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Shifts each column up or down by 0.03 level of its place."""
    return _sampled(images, (1, 0, 0), (levels * signs * 0.03, 1, 0))


def translate_x(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Shifts sideways by int(level / 30 of the width) pixels."""
    return _sampled(images, (1, 0, _pixels(levels, images.shape[3]) * signs), (0, 1, 0))


def translate_y(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Shifts up or down by int(level / 30 of the height) pixels."""
    return _sampled(images, (1, 0, 0), (0, 1, _pixels(levels, images.shape[2]) * signs))


def color(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Blends between grey and more than the original colour; no effect with one channel."""
    return _blended(_grey(images.float()), images, levels)


def contrast(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Blends between the mean grey and more than the original contrast."""
    mean = _grey(images.float()).mean((2, 3), keepdim=True).add(0.5).floor()
    return _blended(mean, images, levels)


def brightness(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Blends between black and more than the original brightness."""
    return _blended(torch.zeros_like(images, dtype=torch.float32), images, levels)


def sharpness(images: Tensor, levels: Tensor, signs: Tensor) -> Tensor:
    """Blends between smoothed and more than the original sharpness; border pixels stay."""
    x = images.float()
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    channels = x.shape[1]
    smoothed = x.clone()
    weight = (kernel / 13).expand(channels, 1, 3, 3)
    smoothed[:, :, 1:-1, 1:-1] = functional.conv2d(x, weight, groups=channels)
    return _blended(smoothed, images, levels)


OPERATIONS: tuple[Operation, ...] = (
    autocontrast,
    equalize,
    posterize,
    rotate,
    solarize,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
ALL: tuple[Operation, ...] = (*OPERATIONS, color, contrast, brightness, sharpness)


def _pixels(levels: Tensor, size: int) -> Tensor:
    return (levels * size / 30).long()


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] != 3:
        return x
    parts = x.new_tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    return (x * parts).sum(1, keepdim=True).round().expand_as(x)


def _blended(other: Tensor, images: Tensor, levels: Tensor) -> Tensor:
    factor = (levels * 0.18 + 0.1)[:, None, None, None]
    return (other + factor * (images.float() - other)).clamp(0, 255).to(torch.uint8)


Row = tuple[Tensor | float, Tensor | float, Tensor | float]
Mode = Literal["bilinear", "nearest"]


def rotated(images: Tensor, degrees: Tensor, *, mode: Mode = "bilinear") -> Tensor:
    """Rotates each image about its centre; black where nothing was.

    Args:
        images: (n, channels, height, width), uint8.
        degrees: Angle of each image, (n,); positive is counter-clockwise, as in Pillow.
        mode: How a place between pixels is read.
    """
    # Rows count downwards.
    angle = -torch.deg2rad(degrees)
    height, width = images.shape[2:]
    sine, cosine = angle.sin(), angle.cos()
    x, y = width / 2, height / 2
    return _sampled(
        images,
        (cosine, sine, x - cosine * x - sine * y),
        (-sine, cosine, y + sine * x - cosine * y),
        mode=mode,
    )


def _sampled(images: Tensor, to_x: Row, to_y: Row, *, mode: Mode = "bilinear") -> Tensor:
    """Samples each pixel at the place given by two rows of an affine map.

    Black outside the image.
    """
    num, _, height, width = images.shape
    rows = torch.arange(height, device=images.device).add(0.5).reshape(1, height, 1)
    columns = torch.arange(width, device=images.device).add(0.5).reshape(1, 1, width)

    def place(row: Row) -> Tensor:
        a, b, c = (
            part.float().reshape(-1, 1, 1) if isinstance(part, Tensor) else part for part in row
        )
        return (a * columns + b * rows + c).expand(num, height, width)

    grid = torch.stack((2 * place(to_x) / width - 1, 2 * place(to_y) / height - 1), dim=-1)
    moved = functional.grid_sample(images.float(), grid, mode=mode, align_corners=False)
    return moved.round().clamp(0, 255).to(torch.uint8)
