"""ImageNet, facts only: studies on it can be checked and planned, not yet trained."""

from pathlib import Path

from trainers.data.splits import Source, Splits
from trainers.errors import Fault, MissingDataError


def load_imagenet(data_dir: Path, test: bool = True) -> Splits:
    """Always fails: the images do not fit into memory, and this version has no pipeline for them.

    Args:
        data_dir: Not used.
        test: Not used.

    Raises:
        MissingDataError: Always.
    """
    what = "this version has no pipeline for ImageNet: a study on it can be planned, not trained"
    hint = "train on cifar10, cifar100, digits, image_folder or mnist"
    raise MissingDataError(Fault("", what, hint))


IMAGENET_SOURCE = Source(
    load=load_imagenet,
    shape=(3, 224, 224),
    num_classes=1000,
    num_train=1_281_167,
    # The published protocol trains on all images and measures only on the folder `val`.
    num_validation=0,
)
"""Facts of ILSVRC 2012, arXiv:1409.0575."""
