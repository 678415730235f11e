"""The loss of a training batch, also of one of mixed images."""

from torch import Tensor

from trainers.data.splits import Split
from trainers.losses import LossFunction


def batch_loss(loss: LossFunction, logits: Tensor, batch: Split) -> Tensor:
    """Returns the mean loss of a training batch, a scalar.

    share * loss(logits, labels) + (1 - share) * loss(logits, others) for mixed images

    Args:
        loss: Mean loss of logits and labels.
        logits: (batch, classes).
        batch: The batch, with one or two labels for each image.
    """
    first = loss(logits, batch.labels)
    if batch.others is None:
        return first
    return batch.share * first + (1 - batch.share) * loss(logits, batch.others)
