"""The interface of training losses, and of what a network learns from a teacher."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Comparison = Callable[[Tensor, Tensor], Tensor]
"""Maps what a network and its teacher make of the same batch to a mean loss."""
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""Maps logits (batch, classes) and class numbers (batch,) to the mean loss of a batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """A training loss, and the batches that it needs.

    Args:
        mean: Mean loss of a batch. With several views of each image the logits are (views * batch,
            classes): all images in their first view, then in the second, ... Evaluation always has
            one view.
        num_views: Views of each training image: the unchanged image, and for each further view a
            new variation (`data.augment`).
        views_option: Name of the option that needs several views, for messages.
    """

    mean: LossFunction
    num_views: int = 1
    views_option: str = ""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over a batch, a scalar."""
        return self.mean(logits, labels)


@dataclass(frozen=True, kw_only=True, slots=True)
class Distillation:
    """What a network learns from a teacher, beside what it learns from labels.

    label_weight * loss of the labels + mean(network's, teacher's)

    Args:
        mean: Mean loss of a batch, from logits of shape (batch, classes); or from features,
            (batch, ...).
        label_weight: Factor on the loss of the labels; 0: it has no part in training.
        features: Compare features of the two networks, not their logits.
        layer: Module of the network whose results are its features; None: what its last layer
            takes in.
        teacher_layer: The same of the teacher.
    """

    mean: Comparison
    label_weight: float = 1.0
    features: bool = False
    layer: str | None = None
    teacher_layer: str | None = None


def no_distillation() -> None:
    """There is no teacher."""
