"""Binarizers of layer inputs, by name."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from torch import Tensor, nn

from trainers.binarize.clips import hard_clip, leaky_clip
from trainers.binarize.ste import sign_clipped, sign_quadratic, sign_ste
from trainers.binding import make
from trainers.errors import Fault, SpecError


class ActivationBinarizer(nn.Module):
    """Maps the input of a layer to ±1; has no parameters. Options by keyword."""

    is_binary: ClassVar[bool] = True
    """False: real numbers that are only bounded, as in a stage before inputs turn binary."""


class SignActivation(ActivationBinarizer):
    """Sign that passes the gradient where the input is small.

    Forward:   sign(x), with sign(0) = zero
    Backward:  1 where |x| <= clip, else 0

    Args:
        clip: Largest |x| that still receives gradient; None: the gradient passes everywhere.
        zero: What 0 becomes: 1, or 0.
        closed: No gradient at |x| = clip either, as in the code published with arXiv:1804.02941,
            and with the training tricks; there clip is 1 and zero is 0.

    Raises:
        SpecError: If clip is not positive, or zero is neither 1 nor 0, or the interval shall be
            closed and there is no clip.

    Source: Courbariaux et al. 2016, arXiv:1602.02830, sec. 1.3; `closed`:
        HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 1.
    """

    def __init__(self, *, clip: float | None = 1.0, zero: int = 1, closed: bool = False) -> None:
        super().__init__()
        if clip is not None and not clip > 0:
            raise SpecError(Fault("clip", f"must be positive, got {clip}"))
        if closed and clip is None:
            what = "without a clip the gradient passes everywhere"
            raise SpecError(Fault("closed", what, "set a clip, or remove it"))
        self.clip = clip
        self.closed = closed
        self.zero = _checked(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sign of x; shape and dtype of x."""
        if self.clip is None:
            return sign_ste(x, zero=self.zero)
        return sign_clipped(x, clip=self.clip, zero=self.zero, closed=self.closed)


class ApproxSign(ActivationBinarizer):
    """Sign with the gradient of a piecewise quadratic function.

    Forward:   sign(x), with sign(0) = zero
    Backward:  2 - 2 |x| where |x| <= 1, else 0

    Args:
        zero: What 0 becomes: 1; or 0, as in the published code of BIPROP.

    Raises:
        SpecError: If zero is neither 1 nor 0.

    Source: Liu et al. 2018, Bi-Real Net, arXiv:1808.00278, sec. 3.3; as in Multi-Prize Tickets,
        Diffenderfer & Kailkhura 2021, arXiv:2103.09377.
    """

    def __init__(self, *, zero: int = 1) -> None:
        super().__init__()
        self.zero = _checked(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sign of x; shape and dtype of x."""
        return sign_quadratic(x, zero=self.zero)


class HardClip(ActivationBinarizer):
    """Keeps the input between -1 and 1: the last stage before inputs turn binary.

    Forward:   x where |x| < 1, else sign(x)
    Backward:  1 where |x| < 1, else 0

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 16.
    Where we differ: a new tensor; the published snippet overwrites one that a shortcut may read.
    """

    is_binary = False

    def forward(self, x: Tensor) -> Tensor:
        """Returns the bounded input; shape and dtype of x."""
        return hard_clip(x)


class LeakyClip(ActivationBinarizer):
    """Keeps the input between -1 and 1 but for a slope outside, in place of ReLU.

    Forward:   x where |x| <= 1, else slope * x + (1 - slope) * sign(x)
    Backward:  1 where |x| <= 1, else slope

    Args:
        slope: Slope outside, in [0, 1].

    Raises:
        SpecError: If the slope is out of range.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 16.
    Where we differ: a new tensor, as in `HardClip`.
    """

    is_binary = False

    def __init__(self, *, slope: float = 0.1) -> None:
        super().__init__()
        if not 0 <= slope <= 1:
            raise SpecError(Fault("slope", f"must be between 0 and 1, got {slope}"))
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Returns the softly bounded input; shape and dtype of x."""
        return leaky_clip(x, slope=self.slope)


def _checked(zero: int) -> int:
    if zero not in (0, 1):
        raise SpecError(Fault("zero", f"must be 1 or 0, got {zero}"))
    return zero


ACTIVATION_BINARIZERS: Mapping[str, Callable[..., ActivationBinarizer]] = {
    "approx_sign": ApproxSign,
    "hard_clip": HardClip,
    "leaky_clip": LeakyClip,
    "sign": SignActivation,
}


def make_activation_binarizer(name: str, **options: object) -> ActivationBinarizer:
    """Makes a binarizer for the input of one layer.

    Args:
        name: A key of `ACTIVATION_BINARIZERS`.
        options: Keyword arguments of that binarizer.

    Raises:
        UnknownNameError: If there is no such binarizer.
        SpecError: If it has no such option, or rejects its value.
    """
    return make("activation binarizer", ACTIVATION_BINARIZERS, name, options=options)
