"""CIFAR-10, downloaded by torchvision: 32x32 colour images, 50,000 to train, 10,000 to test."""

import logging
from contextlib import suppress
from pathlib import Path

import torch

from trainers.data.partition import SPLIT_SEED, SplitChoice, cut
from trainers.data.splits import Normalisation, Source, Split, Splits
from trainers.errors import Fault, MissingDataError, SpecError

log = logging.getLogger(__name__)

NUM_TRAIN = 50_000
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
FOLDER = "cifar-10-batches-py"
FILES = tuple(
    Path(FOLDER, name)
    for name in ("batches.meta", *(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
)
DRAWN = SplitChoice(seed=SPLIT_SEED)


def load_cifar10(
    data_dir: Path, test: bool = True, *, validation: int = 5000, split: SplitChoice = DRAWN
) -> Splits:
    """The images as bytes, with the mean and standard deviation of each channel.

    Args:
        data_dir: Folder that holds, or shall hold, `cifar-10-batches-py/`.
        test: Read the test file too; else it need not be there.
        validation: How many of the 50,000 training images validate instead of training.
        split: Which of them; the places in a file are those of CIFAR-10's own order.

    Raises:
        MissingDataError: If the files are neither there nor to be downloaded, or are damaged.
        SpecError: If `validation` leaves nothing to train on, or a split file does not fit.

    Source: Krizhevsky 2009; normalisation and sizes as in arXiv:2111.07046.
    """
    if not 0 < validation < NUM_TRAIN:
        what = f"must be between 1 and {NUM_TRAIN - 1}, got {validation}"
        raise SpecError(Fault("validation", what))
    needed = FILES if test else FILES[:-1]
    whole = _read(data_dir, needed, train=True)
    training, validating = cut(whole, validation=validation, choice=split, data_dir=data_dir)
    return Splits(
        train=training,
        validation=validating,
        test=_read(data_dir, needed, train=False) if test else None,
    )


def _read(data_dir: Path, needed: tuple[Path, ...], *, train: bool) -> Split:
    # Imported here: it takes longer than everything else a worker does before its first epoch.
    from torchvision.datasets import CIFAR10

    class Part(CIFAR10):
        """One part: torchvision's own class looks into the files of both."""

        train_list = CIFAR10.train_list if train else []
        test_list = [] if train else CIFAR10.test_list

    present = all((data_dir / file).is_file() for file in needed)
    try:
        if not present:
            log.info("downloading CIFAR-10 to %s", data_dir)
            CIFAR10(str(data_dir), download=True)
        # The files are pickles, which could run anything; torchvision compares their MD5 first.
        data = Part(str(data_dir), train=train)
    # torchvision turns what urllib raises, and a wrong MD5, into RuntimeError.
    except (RuntimeError, OSError, ValueError) as error:
        with suppress(OSError):
            data_dir.rmdir()
        raise MissingDataError(_missing(data_dir, error, needed, present=present)) from error
    return Split(
        images=torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor(data.targets, dtype=torch.int64),
        normalisation=Normalisation.of(MEAN, STD),
    )


def _missing(
    data_dir: Path, error: Exception, needed: tuple[Path, ...], *, present: bool
) -> Fault:
    reason = " ".join(str(error).split())[:120]
    state = "cannot be read" if present else "is not there, and could not be downloaded"
    expected = ", ".join(file.name for file in needed)
    return Fault(
        "",
        f"CIFAR-10 {state}: looked in {data_dir.resolve() / FOLDER} for {expected} ({reason})",
        f"name the folder that holds {FOLDER}/ with --data-dir or BNN_DATA_DIR; or write "
        "{name: image_folder, folder: ...} for a folder with train/CLASS/ and test/CLASS/",
    )


CIFAR10_SOURCE = Source(
    load=load_cifar10,
    shape=(3, 32, 32),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    files=FILES,
)
