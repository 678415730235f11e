"""Complete images and labels of one data set, as tensors on the training device."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.binding import options_of
from trainers.data.streamed import Streamed
from trainers.data.uncut import Uncut

AT_ONCE = 1024
"""Images copied together for a checksum."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Normalisation:
    """Turns bytes into the input of a network, one batch at a time, on the batch's device.

    The operations are those of ToTensor and Normalize, so the values are the same bits.

    Args:
        mean: Mean of each channel, for values from 0 to 1, (channels, 1, 1).
        std: Standard deviation of each channel, (channels, 1, 1).
        inverted: Take 1 - x of each value x from 0 to 1 before: black becomes white.
    """

    mean: Tensor
    std: Tensor
    inverted: bool = False

    @classmethod
    def of(
        cls, mean: Sequence[float], std: Sequence[float], *, inverted: bool = False
    ) -> "Normalisation":
        """Makes one from one number per channel."""
        of_mean, of_std = (_by_channel(part) for part in (mean, std))
        return cls(mean=of_mean, std=of_std, inverted=inverted)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalises images (n, channels, height, width), uint8, to floating point."""
        values = pixels.to(self.mean.dtype).div_(255)
        if self.inverted:
            values.neg_().add_(1)
        return values.sub_(self.mean).div_(self.std)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Normalisation":
        """Returns the normalisation for batches on that device, with results of that dtype."""
        return replace(self, mean=self.mean.to(device, dtype), std=self.std.to(device, dtype))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Part of a data set.

    Args:
        images: Normalised images, (n, channels, height, width), floating point; or bytes of that
            shape, which `normalisation` normalises; or the bytes of `uncut` pictures, (bytes,),
            none of those that are streamed.
        labels: Class numbers, (n,), int64. Of a batch of which this process trains a part, the
            labels are of all its images, `images` of that part.
        rows: If the split is only a part of `images`: its rows, (n,), int64. So splits share
            bytes, also across processes, without a copy.
        normalisation: Normalisation of bytes; None: the images are normalised already.
        blank: The value in `images` of a pixel that is 0 in the source; used for padding.
        others: In a batch of mixtures of two images: the class of the image that is seen less.
        share: Share of the other image, whose class is in `labels`, from 1/2 to 1.
        uncut: Where pictures of any size lie, in `images` or in files; they and `rows` stay on
            the CPU.
        num_views: In a batch for evaluation: windows of each picture. `images` has all first
            ones, then all second ones, and so on.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor | None = None
    normalisation: Normalisation | None = None
    blank: float = 0.0
    others: Tensor | None = None
    share: float = 1.0
    uncut: Uncut | Streamed | None = None
    num_views: int = 1

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def side(self) -> int:
        """Height and width of the images that a network gets."""
        return self.images.shape[-1] if self.uncut is None else self.uncut.size

    def first(self, size: int) -> "Split":
        """Returns the split's first `size` images."""
        rows = (
            torch.arange(len(self), device=self.images.device) if self.rows is None else self.rows
        )
        return replace(self, labels=self.labels[:size], rows=rows[:size])

    def cut(self, own: slice) -> "Split":
        """Returns a part of the split, without a copy."""
        if self.rows is None and self.uncut is None:
            return replace(self, images=self.images[own], labels=self.labels[own])
        device = self.images.device
        rows = torch.arange(len(self), device=device) if self.rows is None else self.rows
        return replace(self, labels=self.labels[own], rows=rows[own])

    def own_images(self) -> Tensor:
        """Returns exactly the images of this split, in its order; normalised or not.

        Not for pictures that are uncut.
        """
        return self.images if self.rows is None else self.images.index_select(0, self.rows)

    def parts(self) -> Iterator[Tensor]:
        """Yields all images, or what stands for those that are uncut, in order, few at a time."""
        if self.uncut is not None:
            yield from self.uncut.parts(self.images, self.rows)
        elif self.rows is None:
            yield from torch.split(self.images, AT_ONCE)
        else:
            for rows in torch.split(self.rows, AT_ONCE):
                yield self.images.index_select(0, rows)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Split":
        """Returns the split on another device or in another dtype; bytes stay bytes."""
        labels = self.labels.to(device)
        if self.normalisation is None:
            images = self.own_images().to(device, dtype)
            return replace(self, images=images, labels=labels, rows=None)
        normalisation = self.normalisation.to(device, dtype)
        if self.uncut is not None:
            return replace(self, labels=labels, normalisation=normalisation)
        if device == self.images.device:
            return replace(self, normalisation=normalisation)
        images = self.own_images().to(device)
        return Split(images=images, labels=labels, normalisation=normalisation, blank=self.blank)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Splits:
    """Training, validation (selects) and test part (reports; None: not read)."""

    train: Split
    validation: Split
    test: Split | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> "Splits":
        """Returns the splits on another device or in another dtype; copies only if needed."""
        return Splits(
            train=self.train.to(device, dtype),
            validation=self.validation.to(device, dtype),
            test=None if self.test is None else self.test.to(device, dtype),
        )

    def checksum(self) -> str:
        """SHA-256 over the loaded images and labels of train, validation and test.

        Of images that are streamed, names and lengths of their files stand for them.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            if split is None:
                continue
            tensors = [split.labels]
            if split.normalisation is not None:
                tensors += [split.normalisation.mean, split.normalisation.std]
                if split.normalisation.inverted:
                    tensors.append(torch.ones(1))
            for tensor in (*split.parts(), *tensors):
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The facts about a data set that a spec is checked against before any file is read.

    Args:
        shape: Channels, height, width of an image.
        num_classes: Number of classes.
        num_train: Images outside the test part: training and validation together.
        num_validation: How many of these are for validation.
        uncut: Whether pictures are kept uncut, so that images are windows of them.
    """

    shape: tuple[int, int, int]
    num_classes: int
    num_train: int
    num_validation: int
    uncut: bool = False

    @property
    def num_trained(self) -> int:
        """Number of images to train on."""
        return self.num_train - self.num_validation


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A data set that can be loaded, with the facts that a spec is checked against before.

    Args:
        load: Takes the data folder, whether to read the test part (else its files are not
            opened), and the spec's options by keyword; returns the splits on the CPU. Raises
            MissingDataError if files are missing.
        shape: Channels, height, width of an image.
        num_classes: Number of classes.
        num_train: Images outside the test part: training and validation together.
        num_validation: Default number of validation images, if no option `validation` is given.
        files: The required files, below the data folder; empty if none are needed.
        folder: The folder, below the data folder, that a user must bring; empty: none, or the one
            that an option `folder` names.
        has_bytes: Whether images are loaded as bytes, which augmentations can vary; else they are
            normalised when they are loaded.
        facts_of: If options change the facts: takes all options with defaults and returns the
            facts. Raises SpecError for impossible values.
    """

    load: Callable[..., Splits]
    shape: tuple[int, int, int]
    num_classes: int
    num_train: int
    num_validation: int
    files: tuple[Path, ...] = ()
    folder: str = ""
    has_bytes: bool = True
    facts_of: Callable[[Mapping[str, Any]], Facts] | None = None

    def facts(self, options: Mapping[str, object]) -> Facts:
        """Returns the facts for these options of `load`.

        Raises:
            SpecError: If an option has an impossible value.
        """
        if self.facts_of is not None:
            defaults = {name: option.default for name, option in options_of(self.load).items()}
            return self.facts_of({**defaults, **options})
        validation = options.get("validation", self.num_validation)
        assert isinstance(validation, int)
        return Facts(
            shape=self.shape,
            num_classes=self.num_classes,
            num_train=self.num_train,
            num_validation=validation,
        )


def _by_channel(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1)


def normalised(pixels: Tensor, *, mean: float, std: float, top: float) -> Tensor:
    """Normalises grey images (n, height, width) from 0 to `top` to float32 (n, 1, height, width).

    The operations are those of ToTensor and Normalize, so the values are the same bits.
    """
    return pixels.unsqueeze(1).to(torch.float32, copy=True).div_(top).sub_(mean).div_(std)
