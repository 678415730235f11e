"""Centre loss: pulls the features of each class together."""

import torch
from torch import Tensor

from trainers.errors import Fault, SpecError


def center_loss(features: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Half the mean squared distance of features from the centre of their class.

    mean over the batch of ||f - c_y||^2 / 2

    Args:
        features: (batch, values).
        labels: Class numbers, (batch,).
        centers: One centre a class, (classes, values).

    Source: Wen et al. 2016, A Discriminative Feature Learning Approach, eq. 2.
    Where we differ: the paper adds the images up; we take their mean, so the batch size does not
        weigh the loss.
    """
    return (features - centers[labels]).square().sum(1).mean() / 2


@torch.no_grad()
def move_centers(centers: Tensor, features: Tensor, labels: Tensor, *, rate: float) -> None:
    """Moves each centre towards the features of its class, in place; at its own rate.

    c_j <- c_j - rate * (sum over y = j of (c_j - f)) / (1 + number of y = j)

    Args:
        centers: One centre a class, (classes, values).
        features: (batch, values).
        labels: Class numbers, (batch,).
        rate: Step, in (0, 1]; the optimizer's rate has no part in it.

    Raises:
        SpecError: If the rate is out of range.

    Source: Wen et al. 2016, A Discriminative Feature Learning Approach, eq. 4.
    """
    if not 0 < rate <= 1:
        raise SpecError(Fault("rate", f"must be above 0 and at most 1, got {rate}"))
    apart = torch.zeros_like(centers).index_add_(0, labels, centers[labels] - features)
    # `bincount` would wait for the device.
    counts = centers.new_zeros(len(centers)).index_add_(0, labels, centers.new_ones(len(labels)))
    centers.sub_(rate * apart / (1 + counts)[:, None])
