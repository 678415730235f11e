"""Data sets by name."""

from collections.abc import Mapping

from trainers.data.augment import AUGMENTATIONS, Augment
from trainers.data.cifar10 import CIFAR10_SOURCE
from trainers.data.cifar100 import CIFAR100_SOURCE
from trainers.data.digits import DIGITS_SOURCE
from trainers.data.image_folder import IMAGE_FOLDER_SOURCE
from trainers.data.imagenet import IMAGENET_SOURCE
from trainers.data.mnist import MNIST_SOURCE
from trainers.data.sketches import SKETCHY_SOURCE, TUBERLIN_SOURCE
from trainers.data.splits import Facts, Source, Split, Splits

SOURCES: Mapping[str, Source] = {
    "cifar10": CIFAR10_SOURCE,
    "cifar100": CIFAR100_SOURCE,
    "digits": DIGITS_SOURCE,
    "image_folder": IMAGE_FOLDER_SOURCE,
    "imagenet": IMAGENET_SOURCE,
    "mnist": MNIST_SOURCE,
    "sketchy": SKETCHY_SOURCE,
    "tuberlin": TUBERLIN_SOURCE,
}

__all__ = ["AUGMENTATIONS", "SOURCES", "Augment", "Facts", "Source", "Split", "Splits"]
