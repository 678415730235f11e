"""The sign times the mean magnitude of the filter: XNOR-Net's weights."""

from collections.abc import Sequence

from torch import Tensor

from trainers.binarize.ste import Gradient, checked_gradient, replaced
from trainers.binarize.weights.base import WeightBinarizer, vector_fault
from trainers.errors import Fault, SpecError


class XnorBinarizer(WeightBinarizer):
    """Sign of the latent weight, scaled by the mean magnitude of its filter.

    Forward:   b = a where w > 0, else -a;  a = mean of |w| over the filter
    Backward:  db/dw = n (1 - 1/c) (a [|w| < 1] + 1/n)

    n is the number of weights of a filter, c that of its input channels per group.

    Args:
        latent: Latent weight, (out, in) or (out, in, kh, kw); only its shape is used.
        gradient: published: as above; straight_through: 1 everywhere.

    Raises:
        SpecError: If it is a vector, or the gradient is unknown.

    Source: Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, sec. 3.1; the gradient is that of
        the code published with arXiv:1804.02941.
    Where we differ: the paper's gradient has no factor n (1 - 1/c).
    """

    def __init__(self, latent: Tensor, *, gradient: Gradient = "published") -> None:
        super().__init__()
        if latent.ndim < 2:
            raise SpecError(vector_fault(latent.ndim))
        self.gradient = checked_gradient(gradient)

    def layer_fault(self, shape: Sequence[int]) -> Fault | None:
        """Refuses a single input channel per group with the published gradient, which is 0."""
        if shape[1] > 1 or self.gradient != "published":
            return None
        what = "has one input channel per group; its published gradient has the factor 1 - 1/1 = 0"
        return Fault("", what, "set weights.gradient: straight_through, or leave this layer out")

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns the scale where the latent weight is positive, minus the scale elsewhere."""
        rows = latent.detach().flatten(1)
        num = rows.shape[1]
        magnitude = rows.abs()
        scale = magnitude.mean(1, keepdim=True)
        binary = (rows > 0).to(latent.dtype).mul_(2).sub_(1).mul_(scale).view_as(latent)
        if self.gradient == "straight_through":
            return replaced(latent, binary, factor=latent.new_ones(()))
        factor = (scale * (magnitude < 1) + 1 / num) * (num * (1 - 1 / latent.shape[1]))
        return replaced(latent, binary, factor=factor.view_as(latent))
