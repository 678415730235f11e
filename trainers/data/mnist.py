"""MNIST, downloaded by torchvision: 28x28 grey digits, 60,000 to train and 10,000 to test."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from trainers.data.download import download
from trainers.data.news import reason_of
from trainers.data.splits import Source, Split, Splits, normalised
from trainers.errors import Fault, MissingDataError, SpecError

NUM_TRAIN, NUM_TEST = 60_000, 10_000
FILES = tuple(
    Path("MNIST", "raw", f"{part}-{kind}-ubyte")
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)

URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""Where torchvision looks first."""


def load_mnist(data_dir: Path, test: bool = True, *, validation: int = 5000) -> Splits:
    """Loads the digits, normalised with mean 0.1307 and standard deviation 0.3081.

    Args:
        data_dir: Folder with `MNIST/raw/`; missing files are downloaded into it.
        test: Also read the test files; else they may be missing.
        validation: How many of the last training images are for validation.

    Raises:
        MissingDataError: If the files are missing and cannot be downloaded.
        SpecError: If `validation` is out of range.

    Source: LeCun et al. 1998; normalisation and split as in arXiv:2111.07046.
    """
    if not 0 < validation < NUM_TRAIN:
        what = f"must be between 1 and {NUM_TRAIN - 1}, got {validation}"
        raise SpecError(Fault("validation", what))
    # If one file is missing, all are downloaded before any is read.
    needed = FILES if test else FILES[:2]
    training = _read(data_dir, needed, train=True)
    cut = len(training) - validation
    return Splits(
        train=replace(training, images=training.images[:cut], labels=training.labels[:cut]),
        validation=Split(images=training.images[cut:], labels=training.labels[cut:]),
        test=_read(data_dir, needed, train=False) if test else None,
    )


def _read(data_dir: Path, needed: Sequence[Path], *, train: bool) -> Split:
    pixel_file, label_file = FILES[:2] if train else FILES[2:]
    present = all((data_dir / file).is_file() for file in needed)
    num_images = NUM_TRAIN if train else NUM_TEST
    try:
        if not present:
            _download(data_dir)
        pixels = read_idx(data_dir / pixel_file, shape=(num_images, 28, 28))
        classes = read_idx(data_dir / label_file, shape=(num_images,))
    # torchvision raises RuntimeError for errors of urllib; a damaged file raises ValueError.
    except (RuntimeError, OSError, ValueError) as error:
        _remove_empty(data_dir)
        raise MissingDataError(_missing(data_dir, error, needed, present=present)) from error
    black, images = (
        normalised(part, mean=0.1307, std=0.3081, top=255)
        for part in (torch.zeros(1, 1, 1), pixels)
    )
    return Split(images=images, labels=classes.long(), blank=black.item())


def _download(data_dir: Path) -> None:
    def fetch() -> None:
        # Imported late: this takes longer than all else that a worker does before its first epoch.
        from torchvision.datasets import MNIST

        MNIST(str(data_dir), download=True)

    raw = data_dir / FILES[0].parent
    download(fetch, title="MNIST (12 MB)", url=URL, folder=data_dir, files=[raw])


def read_idx(path: Path, *, shape: tuple[int, ...]) -> Tensor:
    """Reads an IDX file as a uint8 tensor.

    Args:
        path: The file, uncompressed.
        shape: Its required shape.

    Raises:
        ValueError: If the file has another shape or type, or is damaged.

    Source: the format's description on LeCun's page: two zero bytes, a type (8: unsigned bytes),
    the number of dimensions, each as a big-endian 32-bit number, the data.
    """
    content = path.read_bytes()
    header = bytes([0, 0, 8, len(shape)])
    header += b"".join(size.to_bytes(4, "big") for size in shape)
    if content[: len(header)] != header or len(content) != len(header) + math.prod(shape):
        raise ValueError(f"{path.name} holds no {' x '.join(str(size) for size in shape)} bytes")
    return torch.frombuffer(bytearray(content[len(header) :]), dtype=torch.uint8).reshape(shape)


def _remove_empty(data_dir: Path) -> None:
    """Removes empty folders after a failed download."""
    for folder in (data_dir / "MNIST" / "raw", data_dir / "MNIST", data_dir):
        try:
            folder.rmdir()
        except OSError:
            # The folder does not exist or is not empty.
            return


def _missing(data_dir: Path, error: Exception, needed: Sequence[Path], *, present: bool) -> Fault:
    reason = reason_of(error)
    state = "cannot be read" if present else "is missing and could not be downloaded"
    expected = ", ".join(str(file) for file in needed)
    return Fault(
        "",
        f"MNIST {state}: looked in {data_dir.resolve()} for {expected} ({reason})",
        "name the folder that holds MNIST/ with --data-dir or BNN_DATA_DIR; without a network, "
        "copy these files there from another machine; the study digits-orders needs no files",
    )


MNIST_SOURCE = Source(
    load=load_mnist,
    shape=(1, 28, 28),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    files=FILES,
    has_bytes=False,
)
