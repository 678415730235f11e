"""CIFAR-10, downloaded by torchvision: 32x32 colour images, 50,000 to train, 10,000 to test."""

from pathlib import Path

from trainers.data.cifar_files import NUM_TRAIN, CifarFiles, load_files
from trainers.data.partition import SPLIT_SEED, SplitChoice
from trainers.data.splits import Source, Splits

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CIFAR10_FILES = CifarFiles(
    title="CIFAR-10",
    dataset="CIFAR10",
    folder="cifar-10-batches-py",
    names=("batches.meta", *(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
)
FOLDER, FILES = CIFAR10_FILES.folder, CIFAR10_FILES.paths
DRAWN = SplitChoice(seed=SPLIT_SEED)


def load_cifar10(
    data_dir: Path,
    test: bool = True,
    *,
    validation: int = 5000,
    split: SplitChoice = DRAWN,
    mean: tuple[float, float, float] = MEAN,
    std: tuple[float, float, float] = STD,
) -> Splits:
    """The images as bytes, with the mean and standard deviation of each channel.

    Args:
        data_dir: Folder that holds, or shall hold, `cifar-10-batches-py/`.
        test: Read the test file too; else it need not be there.
        validation: How many of the 50,000 training images validate instead of training.
        split: Which of them; the places in a file are those of CIFAR-10's own order.
        mean: Of each channel, of values from 0 to 1.
        std: Standard deviation of each channel.

    Raises:
        MissingDataError: If the files are neither there nor to be downloaded, or are damaged.
        SpecError: If `validation` leaves nothing to train on, a deviation is not positive, or a
            split file does not fit.

    Source: Krizhevsky 2009; normalisation and sizes as in arXiv:2111.07046.
    """
    return load_files(
        CIFAR10_FILES,
        data_dir,
        test=test,
        validation=validation,
        split=split,
        mean=mean,
        std=std,
    )


CIFAR10_SOURCE = Source(
    load=load_cifar10,
    shape=(3, 32, 32),
    num_classes=10,
    num_train=NUM_TRAIN,
    num_validation=5000,
    files=FILES,
)
