"""How training images are varied, a batch at a time on the training device."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from trainers.binding import Record, bind_to, option, options_of
from trainers.data.augmix import AugMix
from trainers.data.gaussian import Gaussian
from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError
from trainers.written import BY_KIND

AUGMENTATIONS: Mapping[str, type[Variation]] = {"augmix": AugMix, "gaussian": Gaussian}
"""The ways to change pixels, by the key that a study has for each."""

Padding = Literal["black", "reflect"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment(Record):
    """How training images are varied; validation and test images never are.

    The same as torchvision's RandomCrop(size, padding=crop), then RandomHorizontalFlip(), on
    pixels that are not normalised yet: what lies around an image is black, or the image itself,
    mirrored at its edge.

    Args:
        crop: Pixels of padding on each side, of which a window of the image's size is cut out at
            random; 0: none.
        flip: Mirror left and right with probability 1/2.
        padding: black; or reflect: what lies as far inside the edge, the edge itself not repeated
            (torchvision's padding_mode="reflect").
        variation: What is done to the pixels after that; one of `AUGMENTATIONS`, which a study
            names: `augment: {crop: 4, gaussian: {std: 0.1}}`. None: nothing.

    Raises:
        SpecError: If `crop` is negative, or `padding` is neither or has no crop.

    Source: He et al. 2015, arXiv:1512.03385, sec. 4.2 (crop 4, flip), as in arXiv:2111.07046;
        reflect: Zagoruyko & Komodakis 2016, arXiv:1605.07146, sec. 3.
    """

    kind: ClassVar[str] = "augment"

    crop: int = 0
    flip: bool = False
    padding: Padding = "black"
    variation: Variation | None = field(default=None, metadata=BY_KIND)

    def __post_init__(self) -> None:
        """Checks the padding."""
        if self.crop < 0:
            raise SpecError(Fault("crop", f"must be 0 or more, got {self.crop}"))
        if self.padding not in ("black", "reflect"):
            known = "known: black, reflect"
            raise SpecError(Fault("padding", f"unknown value '{self.padding}'", known))
        if self.padding == "reflect" and not self.crop:
            what = "without a crop there is no padding to reflect"
            raise SpecError(Fault("padding", what, "set crop too; 4 is usual for 32x32"))

    @classmethod
    def from_mapping(cls, value: object) -> Self:
        """From what a study file says, where a variation has a key of its own.

        Raises:
            SpecError: With every fault.
        """
        own = {name: known for name, known in options_of(Augment).items() if name != "variation"}
        named = {name: option(name, kind | None) for name, kind in AUGMENTATIONS.items()}
        read: dict[str, Any] = bind_to(own | named, value, owner=cls.kind)
        chosen = {name: read.pop(name) for name in sorted(AUGMENTATIONS) if name in read}
        if len(chosen) > 1:
            first, second, *_ = chosen
            raise SpecError(Fault(second, f"stands beside {first}", "take one of the two"))
        return cls(**read, variation=next(iter(chosen.values()), None))

    def vary(
        self, generator: Generator, *, num_views: int = 1
    ) -> Callable[[Tensor], Tensor] | None:
        """What is done to the pixels of a batch, (n, channels, height, width), uint8.

        The result goes from 0 to 255, floating point. With several views it holds all images as
        they are, then all of them varied, then varied anew, ...

        Args:
            generator: A CPU generator, drawn from batch by batch.
            num_views: Of each image.
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
        return Changes(
            top=corners[0],
            left=corners[1],
            is_flipped=is_flipped,
            crop=self.crop,
            reflects=self.padding == "reflect",
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Changes:
    """What happens to each image of an epoch or a batch.

    Args:
        top: Row of the padded image at which the window begins, (n,), from 0 to 2 * crop.
        left: Its column, (n,).
        is_flipped: Whether the window is mirrored then, (n,), bool.
        crop: Pixels of padding on each side.
        reflects: Whether the padding mirrors the image; else it is blank.
    """

    top: Tensor
    left: Tensor
    is_flipped: Tensor
    crop: int
    reflects: bool = False

    def to(self, device: torch.device) -> "Changes":
        """The same on another device."""
        top, left, is_flipped = (part.to(device) for part in self._parts())
        return replace(self, top=top, left=left, is_flipped=is_flipped)

    def split(self, size: int) -> Iterator["Changes"]:
        """Those of each batch of `size` images; the last may be smaller."""
        for top, left, is_flipped in zip(
            *(torch.split(part, size) for part in self._parts()), strict=True
        ):
            yield replace(self, top=top, left=left, is_flipped=is_flipped)

    def applied(self, images: Tensor, *, blank: float) -> Tensor:
        """The images changed, all in one gather.

        Args:
            images: (n, channels, height, width), of any type.
            blank: What blank padding holds.
        """
        num, channels, height, width = images.shape
        columns = torch.arange(width, device=images.device)
        rows = torch.arange(height, device=images.device)
        mirrored = torch.where(self.is_flipped[:, None], columns.flip(0), columns)
        rows, columns = self.top[:, None] + rows, self.left[:, None] + mirrored
        if self.reflects:
            # torch pads no bytes so; but what the padding would hold has a place in the image.
            padded = images
            rows, columns = self._inside(rows, height), self._inside(columns, width)
        else:
            padded = functional.pad(images, (self.crop,) * 4, value=blank)
        # Places in a padded channel laid out in one row: half the time of an index a dimension.
        places = (rows * padded.shape[3])[:, :, None] + columns[:, None, :]
        places = places.reshape(num, 1, height * width).expand(-1, channels, -1)
        return padded.flatten(2).gather(2, places).reshape(images.shape)

    def _inside(self, places: Tensor, size: int) -> Tensor:
        """Places in a padded row or column as those of the pixels they mirror."""
        from_first = (places - self.crop).abs()
        return size - 1 - (size - 1 - from_first).abs()

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.top, self.left, self.is_flipped
