"""Training losses by name."""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional

from trainers.errors import SpecError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss over a batch, of logits (batch, classes) and class numbers (batch,)."""


def cross_entropy(*, label_smoothing: float = 0.0) -> Loss:
    """Cross entropy of the logits, which is negative log likelihood of their log-softmax.

    Args:
        label_smoothing: Share of the target spread evenly over all classes, in [0, 1).

    Raises:
        SpecError: If the share is outside that range.
    """
    if not 0 <= label_smoothing < 1:
        raise SpecError(f"label_smoothing must be in [0, 1), got {label_smoothing}")

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    return loss


LOSSES: Mapping[str, Callable[..., Loss]] = {"cross_entropy": cross_entropy}
