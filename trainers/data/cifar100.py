"""CIFAR-100, downloaded by torchvision: like CIFAR-10, with a hundred classes (fine labels).

Source: Krizhevsky 2009; mean and standard deviation of the training images.
"""

from trainers.data.cifar_files import CifarFiles, cifar_source

MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
CIFAR100_FILES = CifarFiles(
    title="CIFAR-100",
    dataset="CIFAR100",
    folder="cifar-100-python",
    names=("meta", "train", "test"),
)
CIFAR100_SOURCE = cifar_source(CIFAR100_FILES, mean=MEAN, std=STD, num_classes=100)
