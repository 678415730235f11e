"""Images and labels of one data set, whole, as tensors on the training device."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Part of a data set.

    Args:
        images: Normalised images, (n, channels, height, width), floating point.
        labels: Class numbers, (n,), int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Splits:
    """Training part, validation part (selects) and test part (reports)."""

    train: Split
    validation: Split
    test: Split

    def to(self, device: torch.device, dtype: torch.dtype) -> "Splits":
        """The same on another device or in another floating point type; not copied if already."""

        def move(split: Split) -> Split:
            return Split(images=split.images.to(device, dtype), labels=split.labels.to(device))

        return Splits(
            train=move(self.train), validation=move(self.validation), test=move(self.test)
        )

    def checksum(self) -> str:
        """SHA-256 over all images and labels in the order train, validation, test."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for tensor in (split.images, split.labels):
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A data set that can be loaded, with the facts a spec is checked against beforehand.

    Args:
        load: Takes the data folder, and the options of a spec by keyword; returns the splits on
            the CPU in float32. Raises MissingDataError where there are no files.
        shape: Channels, height, width of an image.
        num_classes: Number of classes.
        num_train: Images outside the test part: training and validation together.
        num_validation: Images that validate, unless the option `validation` says how many.
        files: The files looked for below the data folder; empty if none are needed.
    """

    load: Callable[..., Splits]
    shape: tuple[int, int, int]
    num_classes: int
    num_train: int
    num_validation: int
    files: tuple[Path, ...] = ()

    def num_trained(self, options: Mapping[str, object]) -> int:
        """Images that are trained on, with these options of `load`."""
        validation = options.get("validation", self.num_validation)
        assert isinstance(validation, int)
        return self.num_train - validation


def normalised(pixels: Tensor, *, mean: float, std: float, top: float) -> Tensor:
    """Grey images (n, height, width) from 0 to `top` as float32 (n, 1, height, width).

    The operations are those of ToTensor and Normalize, so that the values are the same bits.
    """
    return pixels.unsqueeze(1).to(torch.float32, copy=True).div_(top).sub_(mean).div_(std)
