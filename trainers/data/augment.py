"""Augmentation of training images, one batch at a time, on the training device."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from trainers.binding import Record, bind_to, option, options_of
from trainers.data.augmix import AugMix
from trainers.data.autoaugment import AutoAugment
from trainers.data.color_jitter import ColorJitter
from trainers.data.gaussian import Gaussian
from trainers.data.lighting import Lighting
from trainers.data.mixup import Mixup
from trainers.data.random_resized_crop import RandomResizedCrop
from trainers.data.random_window import window_drawer, windows_by_row
from trainers.data.rotation import Rotation
from trainers.data.splits import Split
from trainers.data.variation import Several, Variation
from trainers.errors import Fault, SpecError
from trainers.written import BY_KIND

AUGMENTATIONS: Mapping[str, type[Variation]] = {
    "rotation": Rotation,
    "autoaugment": AutoAugment,
    "augmix": AugMix,
    "color_jitter": ColorJitter,
    "gaussian": Gaussian,
    "lighting": Lighting,
}
"""The augmentations that change pixels, by their key in a study file. Several of them follow each
other in this order."""

Padding = Literal["black", "reflect"]
LARGE = 1 << 14
"""Values of an image from which on a processor mirrors one after the other in less time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment(Record):
    """Augmentation of training images; validation and test images are never changed.

    Does what torchvision's RandomCrop(size, padding=crop), then RandomHorizontalFlip() do, on
    pixels before normalisation. The padding is black, or the image mirrored at its edge.

    Args:
        crop: Pixels of padding on each side; a random window of the image's size is cut out. 0: no
            crop.
        flip: Mirror left and right with probability 1/2.
        padding: black; or reflect: mirrored at the edge without repeating the edge itself
            (torchvision's padding_mode="reflect").
        variation: Change of the pixels after crop and flip; one of `AUGMENTATIONS`, by its key in
            the study file: `augment: {crop: 4, gaussian: {std: 0.1}}`; or several in the order of
            that table, of which only one may stand alone. None: no change.
        mixup: Mixtures of two images, after everything else; None: no mixtures.
        random_resized_crop: Train on a part of each picture, scaled to the size of the images,
            before everything else; None: on the whole image, or on the centre of a picture that is
            kept uncut.
        random_window: Train on a window of each picture that is kept uncut, as large as the
            images and at a random place, before everything else.

    Raises:
        SpecError: If `crop` is negative, or `padding` is unknown, or `reflect` has no crop, or two
            options choose the part of a picture.

    Source: He et al. 2015, arXiv:1512.03385, sec. 4.2 (crop 4, flip), as in arXiv:2111.07046;
        reflect: Zagoruyko & Komodakis 2016, arXiv:1605.07146, sec. 3.
    """

    kind: ClassVar[str] = "augment"

    crop: int = 0
    flip: bool = False
    padding: Padding = "black"
    variation: Variation | None = field(default=None, metadata=BY_KIND)
    mixup: Mixup | None = None
    random_resized_crop: RandomResizedCrop | None = None
    random_window: bool = False

    def __post_init__(self) -> None:
        """Checks the padding, and that only one option chooses the part of a picture."""
        if self.crop < 0:
            raise SpecError(Fault("crop", f"must be 0 or more, got {self.crop}"))
        if self.padding not in ("black", "reflect"):
            known = "known: black, reflect"
            raise SpecError(Fault("padding", f"unknown value '{self.padding}'", known))
        if self.padding == "reflect" and not self.crop:
            what = "without a crop there is no padding to reflect"
            raise SpecError(Fault("padding", what, "set crop too; 4 is usual for 32x32"))
        if self.random_window and self.random_resized_crop is not None:
            what = "cannot be combined with random_resized_crop, which chooses a part itself"
            raise SpecError(Fault("random_window", what, "keep one of the two"))

    @classmethod
    def from_mapping(cls, value: object) -> Self:
        """Reads the mapping in a study file, where each variation has its own key.

        Raises:
            SpecError: Lists every fault.
        """
        own = {name: known for name, known in options_of(Augment).items() if name != "variation"}
        named = {name: option(name, kind | None) for name, kind in AUGMENTATIONS.items()}
        read: dict[str, Any] = bind_to(own | named, value, owner=cls.kind)
        chosen = {name: read.pop(name) for name in AUGMENTATIONS if name in read}
        alone = sorted(name for name, part in chosen.items() if part.stands_alone)
        if len(alone) > 1:
            first, second, *_ = alone
            raise SpecError(
                Fault(second, f"cannot be combined with {first}", "keep one of the two")
            )
        parts = tuple(chosen.values())
        several = Several(parts=parts) if len(parts) > 1 else None
        return cls(**read, variation=several or next(iter(parts), None))

    def vary(
        self, generator: Generator, *, num_views: int = 1
    ) -> Callable[[Tensor], Tensor] | None:
        """Returns the function that varies a batch, (n, channels, height, width), uint8.

        Its result is floating point from 0 to 255. With several views it holds all unchanged
        images, then all images varied, then all varied again, ... None if there is no variation.

        Args:
            generator: A CPU generator; each batch draws from it.
            num_views: Views of each image.
        """
        method = self.variation
        if method is None:
            return None

        def varied(pixels: Tensor) -> Tensor:
            if num_views == 1:
                return method.varied(pixels, generator)
            views = [method.varied(pixels, generator) for _ in range(num_views - 1)]
            return torch.cat([pixels.to(views[0].dtype), *views])

        return varied

    @property
    def needs_bytes(self) -> bool:
        """Whether only a data set that is kept as bytes can be augmented so."""
        return self.variation is not None or self.random_resized_crop is not None

    def windows(
        self, generator: Generator, *, size: int, by_row: bool = False
    ) -> Callable[[Tensor], Any] | None:
        """Returns the function that draws the part of each picture of a batch; None: no parts.

        It takes the pictures' heights and widths, (n, 2), and returns their boxes, (n, 4); with
        `by_row` it takes their rows, (n,), and returns a function of height and width for each.

        Args:
            generator: A CPU generator; each batch draws from it, or its seed is that of all rows.
            size: Height and width of the images that the network gets.
            by_row: What is drawn depends on a picture's row, not on the batches before.
        """
        if self.random_window:
            if by_row:
                return windows_by_row(generator.initial_seed(), size=size)
            return window_drawer(generator, size=size)
        part = self.random_resized_crop
        if part is None:
            return None
        return part.by_row(generator.initial_seed()) if by_row else part.drawer(generator)

    def mix(self, generator: Generator) -> Callable[[Split], Split] | None:
        """Returns the function that mixes the images of a batch; None if there is none.

        Args:
            generator: A CPU generator; each batch draws from it.
        """
        return None if self.mixup is None else self.mixup.mixer(generator)

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """Returns the faults for images of this shape (channels, height, width)."""
        faults: list[Fault] = []
        side = min(shape[1:])
        if self.crop >= side:
            what = f"must be below {side}, the side of an image, got {self.crop}"
            faults.append(Fault("crop", what, "4 is usual for 32x32"))
        if self.variation is not None:
            found = self.variation.faults(shape)
            is_one = not isinstance(self.variation, Several)
            faults += [fault.under(self.variation.kind) if is_one else fault for fault in found]
        return faults

    def drawn(self, num: int, generator: Generator) -> "Changes | None":
        """Draws crop and flip of `num` images, in order; None if there are neither.

        Args:
            num: Number of images in an epoch.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        if not self.crop and not self.flip:
            return None
        corners = torch.randint(0, 2 * self.crop + 1, (2, num), generator=generator)
        is_flipped = torch.zeros(num, dtype=torch.bool)
        if self.flip:
            is_flipped = torch.rand(num, generator=generator) < 0.5
        return Changes(
            top=corners[0],
            left=corners[1],
            is_flipped=is_flipped,
            crop=self.crop,
            reflects=self.padding == "reflect",
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Changes:
    """Crop and flip of each image in an epoch or a batch.

    Args:
        top: Row of the padded image where the window begins, (n,), from 0 to 2 * crop.
        left: Its column, (n,).
        is_flipped: Whether the window is then mirrored, (n,), bool.
        crop: Pixels of padding on each side.
        reflects: Whether the padding mirrors the image; else it is blank.
    """

    top: Tensor
    left: Tensor
    is_flipped: Tensor
    crop: int
    reflects: bool = False

    def to(self, device: torch.device) -> "Changes":
        """Returns the changes on another device."""
        top, left, is_flipped = (part.to(device) for part in self._parts())
        return replace(self, top=top, left=left, is_flipped=is_flipped)

    def split(self, size: int) -> Iterator["Changes"]:
        """Yields the changes of each batch of `size` images; the last may be smaller."""
        for top, left, is_flipped in zip(
            *(torch.split(part, size) for part in self._parts()), strict=True
        ):
            yield replace(self, top=top, left=left, is_flipped=is_flipped)

    def cut(self, own: slice) -> "Changes":
        """Returns the changes of some of the images."""
        top, left, is_flipped = (part[own] for part in self._parts())
        return replace(self, top=top, left=left, is_flipped=is_flipped)

    def applied(self, images: Tensor, *, blank: float) -> Tensor:
        """Applies the changes to all images; crops in one gather.

        Args:
            images: (n, channels, height, width), of any dtype; a processor mirrors large ones
                where they are.
            blank: Value of blank padding.
        """
        if not self.crop:
            return self._mirrored(images)
        num, channels, height, width = images.shape
        columns = torch.arange(width, device=images.device)
        rows = torch.arange(height, device=images.device)
        mirrored = torch.where(self.is_flipped[:, None], columns.flip(0), columns)
        rows, columns = self.top[:, None] + rows, self.left[:, None] + mirrored
        if self.reflects:
            # torch cannot pad uint8 by reflection; so read the mirrored pixels from the image.
            padded = images
            rows, columns = self._inside(rows, height), self._inside(columns, width)
        else:
            padded = functional.pad(images, (self.crop,) * 4, value=blank)
        # One flat index per pixel takes half the time of an index per dimension.
        places = (rows * padded.shape[3])[:, :, None] + columns[:, None, :]
        places = places.reshape(num, 1, height * width).expand(-1, channels, -1)
        return padded.flatten(2).gather(2, places).reshape(images.shape)

    def _mirrored(self, images: Tensor) -> Tensor:
        if images.device.type != "cpu" or images.shape[1:].numel() < LARGE:
            return torch.where(self.is_flipped[:, None, None, None], images.flip(3), images)
        for place in self.is_flipped.nonzero()[:, 0].tolist():
            images[place] = images[place].flip(2)
        return images

    def _inside(self, places: Tensor, size: int) -> Tensor:
        """Maps places in a padded row or column to the pixels that they mirror."""
        from_first = (places - self.crop).abs()
        return size - 1 - (size - 1 - from_first).abs()

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.top, self.left, self.is_flipped
