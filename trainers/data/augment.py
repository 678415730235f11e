"""Random crops and flips of training images, a batch at a time on the training device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn import functional

from trainers.binding import Record
from trainers.data.augmix import AugMix
from trainers.data.gaussian import Gaussian
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment(Record):
    """How training images are varied; validation and test images never are.

    The same as torchvision's RandomCrop(size, padding=crop), then RandomHorizontalFlip(), on
    pixels that are not normalised yet: what lies around an image is black.

    Args:
        crop: Pixels of padding on each side, of which a window of the image's size is cut out at
            random; 0: none.
        flip: Mirror left and right with probability 1/2.
        gaussian: Noise on the pixels, after that.
        augmix: Mixtures with chains of operations, after that; one of the two at most.

    Raises:
        SpecError: If `crop` is negative, or `gaussian` and `augmix` are both given.

    Source: He et al. 2015, arXiv:1512.03385, sec. 4.2 (crop 4, flip), as in arXiv:2111.07046.
    """

    kind: ClassVar[str] = "augment"

    crop: int = 0
    flip: bool = False
    gaussian: Gaussian | None = None
    augmix: AugMix | None = None

    def __post_init__(self) -> None:
        """Checks the padding."""
        if self.crop < 0:
            raise SpecError(Fault("crop", f"must be 0 or more, got {self.crop}"))
        if self.gaussian is not None and self.augmix is not None:
            raise SpecError(Fault("augmix", "stands beside gaussian", "take one of the two"))

    @property
    def varies_pixels(self) -> bool:
        """Whether it does more than cut and mirror; that takes images kept as bytes."""
        return self.gaussian is not None or self.augmix is not None

    def variation(
        self, generator: Generator, *, num_views: int = 1
    ) -> "Callable[[Tensor], Tensor] | None":
        """What is done to the pixels of a batch, (n, channels, height, width), uint8.

        The result goes from 0 to 255, floating point. With several views it holds all images as
        they are, then all of them varied, then varied anew, ...

        Args:
            generator: A CPU generator, drawn from batch by batch.
            num_views: Of each image.
        """
        method = self.gaussian or self.augmix
        if method is None:
            return None

        def varied(pixels: Tensor) -> Tensor:
            if num_views == 1:
                return method.varied(pixels, generator)
            views = [method.varied(pixels, generator) for _ in range(num_views - 1)]
            return torch.cat([pixels.to(views[0].dtype), *views])

        return varied

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """What is wrong with it for images of this shape (channels, height, width)."""
        side = min(shape[1:])
        if self.crop < side:
            return []
        what = f"must be below {side}, the side of an image, got {self.crop}"
        return [Fault("crop", what, "4 is usual for 32x32")]

    def drawn(self, num: int, generator: Generator) -> "Changes | None":
        """What happens to `num` images, in order; None where nothing does.

        Args:
            num: Images of an epoch.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        if not self.crop and not self.flip:
            return None
        corners = torch.randint(0, 2 * self.crop + 1, (2, num), generator=generator)
        is_flipped = torch.zeros(num, dtype=torch.bool)
        if self.flip:
            is_flipped = torch.rand(num, generator=generator) < 0.5
        return Changes(top=corners[0], left=corners[1], is_flipped=is_flipped, crop=self.crop)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Changes:
    """What happens to each image of an epoch or a batch.

    Args:
        top: Row of the padded image at which the window begins, (n,), from 0 to 2 * crop.
        left: Its column, (n,).
        is_flipped: Whether the window is mirrored then, (n,), bool.
        crop: Pixels of padding on each side.
    """

    top: Tensor
    left: Tensor
    is_flipped: Tensor
    crop: int

    def to(self, device: torch.device) -> "Changes":
        """The same on another device."""
        top, left, is_flipped = (part.to(device) for part in self._parts())
        return Changes(top=top, left=left, is_flipped=is_flipped, crop=self.crop)

    def split(self, size: int) -> Iterator["Changes"]:
        """Those of each batch of `size` images; the last may be smaller."""
        for top, left, is_flipped in zip(
            *(torch.split(part, size) for part in self._parts()), strict=True
        ):
            yield Changes(top=top, left=left, is_flipped=is_flipped, crop=self.crop)

    def applied(self, images: Tensor, *, blank: float) -> Tensor:
        """The images changed, all in one gather.

        Args:
            images: (n, channels, height, width), of any type.
            blank: What the padding holds.
        """
        num, channels, height, width = images.shape
        columns = torch.arange(width, device=images.device)
        rows = torch.arange(height, device=images.device)
        mirrored = torch.where(self.is_flipped[:, None], columns.flip(0), columns)
        # Places in a padded channel laid out in one row: half the time of an index a dimension.
        padded = functional.pad(images, (self.crop,) * 4, value=blank)
        starts = (self.top[:, None] + rows) * padded.shape[3]
        places = starts[:, :, None] + (self.left[:, None] + mirrored)[:, None, :]
        places = places.reshape(num, 1, height * width).expand(-1, channels, -1)
        return padded.flatten(2).gather(2, places).reshape(images.shape)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.top, self.left, self.is_flipped
