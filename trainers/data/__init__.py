"""The data sets by name."""

from collections.abc import Mapping

from trainers.data.digits import DIGITS_SOURCE
from trainers.data.mnist import MNIST_SOURCE
from trainers.data.splits import Source, Split, Splits

SOURCES: Mapping[str, Source] = {"digits": DIGITS_SOURCE, "mnist": MNIST_SOURCE}

__all__ = ["SOURCES", "Source", "Split", "Splits"]
