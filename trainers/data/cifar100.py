"""CIFAR-100, downloaded by torchvision: as CIFAR-10, in a hundred classes."""

from pathlib import Path

from trainers.data.cifar_files import NUM_TRAIN, CifarFiles, load_files
from trainers.data.partition import SPLIT_SEED, SplitChoice
from trainers.data.splits import Source, Splits

MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
CIFAR100_FILES = CifarFiles(
    title="CIFAR-100",
    dataset="CIFAR100",
    folder="cifar-100-python",
    names=("meta", "train", "test"),
)
DRAWN = SplitChoice(seed=SPLIT_SEED)


def load_cifar100(
    data_dir: Path,
    test: bool = True,
    *,
    validation: int = 5000,
    split: SplitChoice = DRAWN,
    mean: tuple[float, float, float] = MEAN,
    std: tuple[float, float, float] = STD,
) -> Splits:
    """The images as bytes, with their fine labels and each channel's mean and deviation.

    Args:
        data_dir: Folder that holds, or shall hold, `cifar-100-python/`.
        test: Read the test file too; else it need not be there.
        validation: How many of the 50,000 training images validate instead of training.
        split: Which of them; the places in a file are those of CIFAR-100's own order.
        mean: Of each channel, of values from 0 to 1.
        std: Standard deviation of each channel.

    Raises:
        MissingDataError: If the files are neither there nor to be downloaded, or are damaged.
        SpecError: If `validation` leaves nothing to train on, a deviation is not positive, or a
            split file does not fit.

    Source: Krizhevsky 2009; mean and deviation of the training images.
    """
    return load_files(
        CIFAR100_FILES,
        data_dir,
        test=test,
        validation=validation,
        split=split,
        mean=mean,
        std=std,
    )


CIFAR100_SOURCE = Source(
    load=load_cifar100,
    shape=(3, 32, 32),
    num_classes=100,
    num_train=NUM_TRAIN,
    num_validation=5000,
    files=CIFAR100_FILES.paths,
)
