"""The interface of training losses."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

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
