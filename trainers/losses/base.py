"""What every training loss is."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""Mean loss over a batch, of logits (batch, classes) and class numbers (batch,)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """A training loss, and what it asks of a batch.

    Args:
        mean: Of a batch. With several views of each image the logits are (views * batch,
            classes), all images in their first view, then in the second, ...; a measurement has
            one view all the same.
        num_views: Of each training image: as it is, and varied (`data.augment`) anew for each
            further one.
        views_option: The option that asks for several views, for messages.
    """

    mean: LossFunction
    num_views: int = 1
    views_option: str = ""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over a batch, a scalar."""
        return self.mean(logits, labels)
