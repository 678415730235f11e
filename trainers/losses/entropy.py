"""Cross entropy, alone or with the divergence between views of an image."""

import torch
from torch import Tensor
from torch.nn import functional

from trainers.errors import SpecError
from trainers.losses.base import Loss

NUM_VIEWS = 3
"""Views of each image for the divergence: the unchanged image and two variations."""


def cross_entropy(*, label_smoothing: float = 0.0, jensen_shannon: float = 0.0) -> Loss:
    """Cross entropy of the logits, that is, negative log likelihood of their log-softmax.

    Args:
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1).
        jensen_shannon: Weight of the Jensen-Shannon divergence between the outputs for three views
            of an image, 12 as published; 0: no divergence. With it, a training batch holds the
            unchanged images, then two variations of them (`data.augment`).

    Raises:
        SpecError: If a number is out of its range.

    Source of the divergence: Hendrycks et al. 2020, AugMix, arXiv:1912.02781, sec. 3.
    """
    if not 0 <= label_smoothing < 1:
        raise SpecError(f"label_smoothing must be in [0, 1), got {label_smoothing}")

    if not jensen_shannon >= 0:
        raise SpecError(f"jensen_shannon must be 0 or more, got {jensen_shannon}")

    def mean(logits: Tensor, labels: Tensor) -> Tensor:
        # Evaluation has one view, so all logits are of unchanged images.
        clean = logits[: len(labels)]
        entropy = functional.cross_entropy(clean, labels, label_smoothing=label_smoothing)
        if not jensen_shannon or len(logits) == len(labels):
            return entropy
        return entropy + jensen_shannon * divergence(logits)

    if not jensen_shannon:
        return Loss(mean=mean)
    return Loss(mean=mean, num_views=NUM_VIEWS, views_option="jensen_shannon")


def divergence(logits: Tensor) -> Tensor:
    """Jensen-Shannon divergence between three views, in nats, averaged over images.

    It is the mean over the views of KL(p || m), where m is the mean of their class probabilities.

    Args:
        logits: (3 * batch, classes): all images in their first view, then in the second, ...
    """
    views = logits.softmax(1).reshape(NUM_VIEWS, -1, logits.shape[1])
    mixture = views.mean(0).clamp(1e-7, 1).log()
    parts = [functional.kl_div(mixture, view, reduction="batchmean") for view in views]
    return torch.stack(parts).mean()
