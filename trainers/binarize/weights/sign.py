"""The plain sign: the deterministic rule of BinaryConnect and of iterative training."""

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
        clip: Clamp the latent weight to [-clip, clip] after each optimizer step (BinaryConnect:
            1); None: no clamping (iterative training).
        zero: Sign of a latent weight of +0.0 or -0.0: 1; or 0, as in the published code of
            iterative training.

    Raises:
        SpecError: If clip is not positive, or zero is neither 1 nor 0.

    Source: Courbariaux et al. 2015, arXiv:1511.00363, eq. 1 and sec. 2.4; arXiv:2111.07046.
    Where we differ: in the published code of iterative training zeros stay 0 (`zero: 0`), which
        one stored bit cannot represent.
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
        """Clamps the latent weight to ± clip, even while the layer is not binary."""
        if self.clip is not None:
            latent.clamp_(-self.clip, self.clip)

    def binarize(self, latent: Tensor) -> Tensor:
        """Returns +1 where the latent weight is positive, -1 where negative, `zero` at 0."""
        return sign_ste(latent, zero=self.zero)
