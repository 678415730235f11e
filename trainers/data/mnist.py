"""MNIST through torchvision: 28x28 grey digits, 60,000 for training and 10,000 for the test."""

import logging
from pathlib import Path

from trainers.data.splits import Source, Split, Splits, normalised
from trainers.errors import Fault, MissingDataError, SpecError

log = logging.getLogger(__name__)

NUM_TRAIN = 60_000
FILES = tuple(
    Path("MNIST", "raw", f"{part}-{kind}-ubyte")
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)


def load_mnist(data_dir: Path, *, validation: int = 5000) -> Splits:
    """The digits, normalised with mean 0.1307 and standard deviation 0.3081.

    Args:
        data_dir: Folder that holds, or shall hold, `MNIST/raw/`; downloaded to when it does not.
        validation: How many of the last training images validate instead of training.

    Raises:
        MissingDataError: If the files are neither there nor to be downloaded.
        SpecError: If `validation` leaves nothing to train on.

    Source: LeCun et al. 1998; normalisation and split as in arXiv:2111.07046.
    """
    if not 0 < validation < NUM_TRAIN:
        what = f"must be between 1 and {NUM_TRAIN - 1}, got {validation}"
        raise SpecError(Fault("validation", what))
    training, test = (_read(data_dir, train=train) for train in (True, False))
    cut = len(training) - validation
    return Splits(
        train=Split(images=training.images[:cut], labels=training.labels[:cut]),
        validation=Split(images=training.images[cut:], labels=training.labels[cut:]),
        test=test,
    )


def _read(data_dir: Path, *, train: bool) -> Split:
    # A second and a half, which only those who train on it should wait.
    from torchvision.datasets import MNIST

    present = all((data_dir / file).is_file() for file in FILES)
    try:
        if not present:
            log.info("downloading MNIST to %s", data_dir)
        data = MNIST(str(data_dir), train=train, download=not present)
    # torchvision turns what urllib raises into RuntimeError; a damaged file ends in ValueError.
    except (RuntimeError, OSError, ValueError, TypeError, LookupError, AssertionError) as error:
        _remove_empty(data_dir)
        raise MissingDataError(_missing(data_dir, error, present=present)) from error
    expected = (NUM_TRAIN if train else 10_000), 28, 28
    if data.data.shape != expected or data.targets.shape != expected[:1]:
        wrong = ValueError(f"images {tuple(data.data.shape)}, labels {tuple(data.targets.shape)}")
        raise MissingDataError(_missing(data_dir, wrong, present=True))
    images = normalised(data.data, mean=0.1307, std=0.3081, top=255)
    return Split(images=images, labels=data.targets)


def _remove_empty(data_dir: Path) -> None:
    """Takes away the folders that a failed download leaves."""
    for folder in (data_dir / "MNIST" / "raw", data_dir / "MNIST", data_dir):
        try:
            folder.rmdir()
        except OSError:
            # Not there, or not empty.
            return


def _missing(data_dir: Path, error: Exception, *, present: bool) -> Fault:
    reason = " ".join(str(error).split())[:120]
    state = "cannot be read" if present else "is not there, and could not be downloaded"
    expected = ", ".join(str(file) for file in FILES)
    return Fault(
        "",
        f"MNIST {state}: looked in {data_dir.resolve()} for {expected} ({reason})",
        "name the folder that holds MNIST/ with --data-dir or BNN_DATA_DIR; "
        "the study digits-orders needs no files",
    )


MNIST_SOURCE = Source(
    load=load_mnist,
    shape=(1, 28, 28),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    files=FILES,
)
