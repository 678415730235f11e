"""Pictures of any height and width among bytes, and the windows of them that a network gets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from trainers.data.by_row import placed

Views = Literal["centre", "ten"]
NUM_VIEWS = {"centre": 1, "ten": 10}
"""Windows of each picture in evaluation."""
ALL = slice(None)
"""Every row of a batch."""


def empty_windows(num: int, channels: int, size: int, *, interleaved: bool) -> Tensor:
    """Room for windows, (num, channels, size, size), uint8.

    Args:
        num: How many.
        channels: Channels of each.
        size: Height and width of each.
        interleaved: The channels of a pixel lie side by side in memory, as torch.channels_last, in
            which windows are made in less time; else each channel lies behind the one before.
    """
    layout = torch.channels_last if interleaved else torch.contiguous_format
    return torch.empty((num, channels, size, size), dtype=torch.uint8, memory_format=layout)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Uncut:
    """Where each picture lies among the bytes of a data set.

    The bytes may be a file that is mapped into memory: a batch reads only those of its pictures,
    and they stay where they are. So a data set may be larger than the memory of any device. The
    channels of a pixel lie side by side.

    Args:
        places: First byte of each picture, (n,), int64.
        sizes: Height and width of each picture, (n, 2), int64; neither is below `size`.
        channels: Channels of all pictures.
        size: Height and width of the windows.
        views: Windows of a picture in evaluation: its centre; or ten, as in torchvision's TenCrop:
            the centre and the four corners, and those of the mirrored picture.
        ahead: Threads cut the windows ahead of the network, so boxes are drawn by row.
    """

    places: Tensor
    sizes: Tensor
    channels: int
    size: int
    views: Views = "centre"
    ahead: bool = False

    @classmethod
    def of(
        cls, sizes: Tensor, *, channels: int, size: int, views: Views, ahead: bool = False
    ) -> "Uncut":
        """Makes one for pictures that follow each other without a gap."""
        ends = (sizes.prod(1) * channels).cumsum(0)
        places = torch.cat((ends.new_zeros(1), ends[:-1]))
        return cls(
            places=places, sizes=sizes, channels=channels, size=size, views=views, ahead=ahead
        )

    @property
    def num_views(self) -> int:
        """Windows of a picture in evaluation."""
        return NUM_VIEWS[self.views]

    def picture(self, pixels: Tensor, row: int) -> Tensor:
        """Returns a picture, (channels, height, width), without a copy.

        Args:
            pixels: The bytes of all pictures, (bytes,), uint8.
            row: Which picture.
        """
        return self._at(pixels, int(self.places[row]), self.sizes[row].tolist())

    def _at(self, pixels: Tensor, place: int, size: list[int]) -> Tensor:
        height, width = size
        shape, steps = (self.channels, height, width), (1, width * self.channels, self.channels)
        return pixels.as_strided(shape, steps, pixels.storage_offset() + place)

    def cut(
        self, pixels: Tensor, rows: Tensor, boxes: Tensor, *, interleaved: bool = False
    ) -> Tensor:
        """Cuts a box out of each picture, and scales it to a window.

        Args:
            pixels: The bytes of all pictures, (bytes,), uint8.
            rows: Which pictures, (batch,), int64.
            boxes: Top, left, height and width of each box, (batch, 4), int64.
            interleaved: As for `empty_windows`.

        Returns:
            (batch, channels, size, size), uint8.
        """
        size = (self.size, self.size)
        found = empty_windows(len(rows), self.channels, self.size, interleaved=interleaved)
        where = (self.places[rows].tolist(), self.sizes[rows].tolist(), boxes.tolist())
        for window, place, sides, box in zip(found, *where, strict=True):
            window.copy_(scaled(self._at(pixels, place, sides), box, size))
        return found

    def seen(
        self,
        pixels: Tensor,
        rows: Tensor,
        boxes: Callable[[Tensor], Any] | None,
        part: slice = ALL,
        *,
        interleaved: bool = False,
    ) -> Tensor:
        """Cuts the window that training sees out of each picture.

        Args:
            pixels: The bytes of all pictures, (bytes,), uint8.
            rows: Which pictures, (batch,), int64.
            boxes: Draws a box of each from their sizes, (n, 2), or with `ahead` from their rows,
                (n,); None: the centre.
            part: Which of the rows are cut; boxes are drawn of all.
            interleaved: As for `empty_windows`.
        """
        own = rows[part]
        if boxes is None:
            drawn = self.centred(own)
        elif self.ahead:
            drawn = placed(boxes(own), self.sizes[own])
        else:
            drawn = boxes(self.sizes[rows])[part]
        return self.cut(pixels, own, drawn, interleaved=interleaved)

    def centred(self, rows: Tensor) -> Tensor:
        """The boxes in the centres of pictures, (batch, 4)."""
        return self._boxes(((self.sizes[rows] - self.size) / 2).round().long())

    def viewed(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """Returns the windows that evaluation sees, (views * batch, channels, size, size), uint8.

        All first windows come first, then all second ones, and so on.
        """
        centres = self.centred(rows)
        if self.views == "centre":
            return self.cut(pixels, rows, centres)
        last = self.sizes[rows] - self.size
        ends = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
        five = (centres, *(self._boxes(last * end) for end in ends))
        plain = [self.cut(pixels, rows, boxes) for boxes in five]
        mirrored = [self.cut(pixels, rows, self._mirrored(boxes, rows)).flip(3) for boxes in five]
        return torch.cat([*plain, *mirrored])

    def parts(self, pixels: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
        """Yields size and bytes of each picture, for a checksum."""
        for row in range(len(self.sizes)) if rows is None else rows.tolist():
            yield self.sizes[row]
            yield self.picture(pixels, row)

    def _mirrored(self, boxes: Tensor, rows: Tensor) -> Tensor:
        """Where boxes of the mirrored pictures lie in the pictures."""
        top, left, height, width = boxes.unbind(1)
        left = self.sizes[rows, 1] - width - left
        return torch.stack((top, left, height, width), dim=1)

    def _boxes(self, corners: Tensor) -> Tensor:
        """Boxes as large as a window, by their top and left, (batch, 2)."""
        return torch.cat((corners, torch.full_like(corners, self.size)), dim=1)


def scaled(picture: Tensor, box: list[int], size: tuple[int, int]) -> Tensor:
    """Cuts a box out of a picture and scales it, as Pillow does: bilinear, smoothed if smaller.

    A level of 255 may differ from Pillow's by 1.

    Args:
        picture: (channels, height, width), uint8.
        box: Top, left, height and width.
        size: Height and width of the result.

    Returns:
        (channels, *size), uint8, in any layout.
    """
    top, left, height, width = box
    part = picture[:, top : top + height, left : left + width]
    if (height, width) == size:
        return part
    if part.device.type == "cpu":
        # torch scales interleaved bytes in half the time, and makes others of what is cut out.
        part = part[None].contiguous(memory_format=torch.channels_last)
        return functional.interpolate(part, size, mode="bilinear", antialias=True)[0]
    # Only processors have this operation for bytes.
    window = functional.interpolate(part[None].float(), size, mode="bilinear", antialias=True)[0]
    return window.add(0.5).floor().byte()


def each_scaled(images: Tensor, boxes: Tensor) -> Tensor:
    """Cuts a box out of each image and scales it to the size that the image had.

    Args:
        images: (n, channels, height, width), uint8.
        boxes: Top, left, height and width of each box, (n, 4), int64.
    """
    height, width = images.shape[2:]
    found = [
        scaled(image, box, (height, width))
        for image, box in zip(images, boxes.tolist(), strict=True)
    ]
    return torch.stack(found).contiguous()
