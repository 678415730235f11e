"""CIFAR-10, downloaded by torchvision: 32x32 colour images, 50,000 to train, 10,000 to test.

Source: Krizhevsky 2009; normalisation and sizes as in arXiv:2111.07046.
"""

from trainers.data.cifar_files import CifarFiles, cifar_source

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CIFAR10_FILES = CifarFiles(
    title="CIFAR-10",
    dataset="CIFAR10",
    folder="cifar-10-batches-py",
    names=("batches.meta", *(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
)
CIFAR10_SOURCE = cifar_source(CIFAR10_FILES, mean=MEAN, std=STD, num_classes=10)
