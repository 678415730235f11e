"""The plain sign: BinaryConnect's deterministic rule, and that of iterative training."""

from torch import Tensor

from trainers.binarize.ste import sign_ste
from trainers.binarize.weights.base import WeightBinarizer
from trainers.errors import Fault, SpecError


class SignBinarizer(WeightBinarizer):
    """Sign of the latent weight, without a scale.

    Forward:   b = sign(w), with sign(0) = zero
    Backward:  db/dw = 1 everywhere

    Args:
        latent: Latent weight of any shape; not used.
        clip: The latent weight is clamped to [-clip, clip] after each optimizer step
            (BinaryConnect: 1); None leaves it free (iterative training).
        zero: What a latent weight of +0.0 or -0.0 becomes: 1; or 0, as iterative training's
            published code has it.

    Raises:
        SpecError: If clip is not positive, or zero is neither 1 nor 0.

    Source: Courbariaux et al. 2015, arXiv:1511.00363, eq. 1 and sec. 2.4; arXiv:2111.07046.
    Where we differ: iterative training's published code lets zeros stay 0 (`zero: 0`); a stored
        bit cannot.
    """

    def __init__(self, latent: Tensor, *, clip: float | None = None, zero: int = 1) -> None:
        super().__init__()
        if clip is not None and not clip > 0:
            raise SpecError(f"clip must be positive, got {clip}")
        if zero not in (0, 1):
            raise SpecError(Fault("zero", f"must be 1 or 0, got {zero}"))
        self.clip = clip
        self.zero = zero

    def after_step(self, latent: Tensor) -> None:
        """Clamps the latent weight to ± clip, also while the layer is not binary."""
        if self.clip is not None:
            latent.clamp_(-self.clip, self.clip)

    def binarize(self, latent: Tensor) -> Tensor:
        """+1 where the latent weight is positive, -1 where it is negative, `zero` between."""
        return sign_ste(latent, zero=self.zero)
