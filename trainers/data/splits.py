"""Images and labels of one data set, whole, as tensors on the training device."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.binding import options_of


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Normalisation:
    """Turns bytes into what a network takes, a batch at a time and on the batch's device.

    The operations are those of ToTensor and Normalize, so that the values are the same bits.

    Args:
        mean: Of each channel, of values from 0 to 1, (channels, 1, 1).
        std: Standard deviation of each channel, (channels, 1, 1).
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, mean: Sequence[float], std: Sequence[float]) -> "Normalisation":
        """From one number a channel."""
        of_mean, of_std = (_by_channel(part) for part in (mean, std))
        return cls(mean=of_mean, std=of_std)

    def __call__(self, pixels: Tensor) -> Tensor:
        """The images (n, channels, height, width), uint8, as floating point numbers."""
        return pixels.to(self.mean.dtype).div_(255).sub_(self.mean).div_(self.std)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Normalisation":
        """The same for batches on that device, giving that type."""
        return Normalisation(mean=self.mean.to(device, dtype), std=self.std.to(device, dtype))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Part of a data set.

    Args:
        images: Normalised images, (n, channels, height, width), floating point; or bytes of that
            shape, where `normalisation` says what to make of them.
        labels: Class numbers, (n,), int64.
        rows: Where the split is part of `images` only: which of them, (n,), int64. Bytes that
            several processes share stay uncut so.
        normalisation: Of bytes; None: the images are normalised.
        blank: The value in `images` of a pixel that is 0 in the source: what lies around one.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor | None = None
    normalisation: Normalisation | None = None
    blank: float = 0.0

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def first(self, size: int) -> "Split":
        """Its first images alone."""
        rows = (
            torch.arange(len(self), device=self.labels.device) if self.rows is None else self.rows
        )
        return replace(self, labels=self.labels[:size], rows=rows[:size])

    def own_images(self) -> Tensor:
        """Exactly the images of this split, in its order; normalised or not."""
        return self.images if self.rows is None else self.images.index_select(0, self.rows)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Split":
        """The same on another device or in another type; bytes stay bytes until a batch."""
        labels = self.labels.to(device)
        if self.normalisation is None:
            images = self.own_images().to(device, dtype)
            return replace(self, images=images, labels=labels, rows=None)
        normalisation = self.normalisation.to(device, dtype)
        if device == self.images.device:
            return replace(self, normalisation=normalisation)
        images = self.own_images().to(device)
        return Split(images=images, labels=labels, normalisation=normalisation, blank=self.blank)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Splits:
    """Training part, validation part (selects) and test part (reports; None: it was not read)."""

    train: Split
    validation: Split
    test: Split | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> "Splits":
        """The same on another device or in another floating point type; not copied if already."""
        return Splits(
            train=self.train.to(device, dtype),
            validation=self.validation.to(device, dtype),
            test=None if self.test is None else self.test.to(device, dtype),
        )

    def checksum(self) -> str:
        """SHA-256 over what was loaded: images and labels of train, validation, test."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            if split is None:
                continue
            tensors = [split.own_images(), split.labels]
            if split.normalisation is not None:
                tensors += [split.normalisation.mean, split.normalisation.std]
            for tensor in tensors:
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a spec is checked against before anything is read.

    Args:
        shape: Channels, height, width of an image.
        num_classes: Number of classes.
        num_train: Images outside the test part: training and validation together.
        num_validation: How many of those validate.
    """

    shape: tuple[int, int, int]
    num_classes: int
    num_train: int
    num_validation: int

    @property
    def num_trained(self) -> int:
        """Images that are trained on."""
        return self.num_train - self.num_validation


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A data set that can be loaded, with the facts a spec is checked against beforehand.

    Args:
        load: Takes the data folder, whether to read the test part (else its files are not
            opened), and the options of a spec by keyword; returns the splits on the CPU. Raises
            MissingDataError where there are no files.
        shape: Channels, height, width of an image.
        num_classes: Number of classes.
        num_train: Images outside the test part: training and validation together.
        num_validation: Images that validate, unless the option `validation` says how many.
        files: The files looked for below the data folder; empty if none are needed.
        facts_of: Where options change the facts: takes all of them, defaults put in. Raises
            SpecError for values that cannot be.
    """

    load: Callable[..., Splits]
    shape: tuple[int, int, int]
    num_classes: int
    num_train: int
    num_validation: int
    files: tuple[Path, ...] = ()
    facts_of: Callable[[Mapping[str, Any]], Facts] | None = None

    def facts(self, options: Mapping[str, object]) -> Facts:
        """The facts with these options of `load`.

        Raises:
            SpecError: If an option has a value that cannot be.
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
    """Grey images (n, height, width) from 0 to `top` as float32 (n, 1, height, width).

    The operations are those of ToTensor and Normalize, so that the values are the same bits.
    """
    return pixels.unsqueeze(1).to(torch.float32, copy=True).div_(top).sub_(mean).div_(std)
