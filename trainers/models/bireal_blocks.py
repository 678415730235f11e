"""Blocks of Bi-Real networks: convolutions for binary inputs, each with a skip of its own."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from trainers.models.attention import SqueezeExcitation
from trainers.models.relu import relu_before

Order = Literal["tricks", "bireal"]
Downsample = Literal["v1", "v2", "v3", "strided"]
BRANCH_EPS = 1e-4
"""Added to the variance in the shortcuts of bottlenecks, as published."""


def shortcut(
    num_in: int, num_out: int, *, stride: int, variant: Downsample = "v1", eps: float = 1e-5
) -> nn.Sequential | None:
    """A shortcut with a 1 × 1 convolution that is not for binary inputs; None if nothing changes.

    v1: convolution, normalisation, mean. v2: mean, convolution, normalisation. v3: as v1, with a 3
    × 3 mean. strided: convolution with the stride, normalisation, as in usual residual networks.
    The mean is of 2 × 2 pixels, and halves the image; an odd height or width is rounded up, with a
    mean of the pixels there are. With stride 1 it is of 3 × 3 pixels in all variants. Means of 3 ×
    3 count their zero padding.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output.
        stride: 1 or 2.
        variant: Which one.
        eps: Added to the variance by the normalisation.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, tricks 1 and 4.
    """
    if stride == 1 and num_in == num_out:
        return None
    step = stride if variant == "strided" else 1
    conv = nn.Conv2d(num_in, num_out, 1, stride=step, bias=False)
    norm = nn.BatchNorm2d(num_out, eps=eps)
    if variant == "strided":
        return nn.Sequential(conv, norm)
    is_wide = stride == 1 or variant == "v3"
    mean = (
        nn.AvgPool2d(3, stride=stride, padding=1) if is_wide else nn.AvgPool2d(2, ceil_mode=True)
    )
    return nn.Sequential(mean, conv, norm) if variant == "v2" else nn.Sequential(conv, norm, mean)


class Unit(nn.Module):
    """One convolution for a binary input, with its normalisation, and attention if asked for.

    tricks: normalisation, sign, convolution. bireal: sign, convolution, normalisation. The result
    of the convolution is multiplied by the attention, which sees the real numbers that the sign
    gets. Without a binary input there is ReLU in place of the sign.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output.
        size: Side of the kernel; the padding is half of it, rounded down.
        stride: Of the convolution.
        groups: Groups of the convolution.
        order: Where the normalisation stands.
        reduction: Input channels for each hidden unit of the attention; None: no attention.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, tricks 1 and 13; bireal: Liu
        et al. 2018, arXiv:1808.00278, sec. 3.2.
    """

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        size: int = 3,
        stride: int = 1,
        groups: int = 1,
        order: Order = "tricks",
        reduction: int | None = None,
    ) -> None:
        super().__init__()
        self.norm_first = order == "tricks"
        self.bn = nn.BatchNorm2d(num_in if self.norm_first else num_out)
        self.conv = nn.Conv2d(
            num_in, num_out, size, stride=stride, padding=size // 2, groups=groups, bias=False
        )
        self.attention: SqueezeExcitation | None = None
        if reduction is not None:
            self.attention = SqueezeExcitation(num_in, num_out, reduction=reduction)

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height / stride, width / stride), of x, (batch, in, ...)."""
        if self.norm_first:
            x = self.bn(x)
        result: Tensor = self.conv(relu_before(self.conv, x))
        if self.attention is not None:
            result = result * self.attention(x)
        return result if self.norm_first else self._normalised(result)

    def _normalised(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.bn(x)
        return normalised


class Residual(nn.Module):
    """A body, its input added to what it gives, and an activation.

    Args:
        body: Maps the input, (batch, in, height, width).
        fits: Adapts the input to what the body gives; None: it is added as it is.
        activation: After the addition; None: none.
    """

    def __init__(
        self,
        body: nn.Module,
        *,
        fits: nn.Module | None = None,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.shortcut = fits
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Output, of the shape that the body gives."""
        result: Tensor = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return result if self.activation is None else self._activated(result)

    def _activated(self, x: Tensor) -> Tensor:
        assert self.activation is not None
        activated: Tensor = self.activation(x)
        return activated


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockOptions:
    """What all blocks of a network have in common.

    Args:
        order: Where the normalisation of each convolution stands; see `Unit`.
        prelu: First slope of the activation after an addition; None: no activation.
        prelu_everywhere: Also in bottlenecks whose shortcut has no convolution.
        double_skip: Each 3 × 3 convolution has a skip of its own.
        downsample: Kind of the shortcuts that change channels; see `shortcut`.
        reduction: Of the attention of 3 × 3 convolutions; None: no attention.
        groups: Groups of the 3 × 3 convolutions.
    """

    order: Order = "tricks"
    prelu: float | None = 0.25
    prelu_everywhere: bool = False
    double_skip: bool = True
    downsample: Downsample = "v1"
    reduction: int | None = None
    groups: int = 1


def basic_block(num_in: int, width: int, stride: int, options: BlockOptions) -> list[Residual]:
    """Two 3 × 3 convolutions: each with a skip of its own, or one skip over both."""
    first, second = (
        Unit(
            channels,
            width,
            stride=step,
            groups=options.groups,
            order=options.order,
            reduction=options.reduction,
        )
        for channels, step in ((num_in, stride), (width, 1))
    )
    fits = shortcut(num_in, width, stride=stride, variant=options.downsample)
    if not options.double_skip:
        body = nn.Sequential(first, second)
        return [Residual(body, fits=fits, activation=_activation(width, options))]
    return [
        Residual(first, fits=fits, activation=_activation(width, options)),
        Residual(second, activation=_activation(width, options)),
    ]


def bottleneck(num_in: int, width: int, stride: int, options: BlockOptions) -> list[Residual]:
    """A 1 × 1, a 3 × 3 and a 1 × 1 convolution to four times as many channels; one skip over all.

    The first convolution has the stride. With `double_skip` the 3 × 3 convolution has a skip too.
    With the tricks' order a fourth normalisation comes before the addition.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 1.
    Where we differ: the published shortcut with stride 2 has twice the channels of the input,
        which is right only if these are twice those inside; it has four times those inside here.
    """
    num_out = 4 * width
    order = options.order
    inner: nn.Module = Unit(
        width, width, groups=options.groups, order=order, reduction=options.reduction
    )
    body = nn.Sequential(
        Unit(num_in, width, size=1, stride=stride, order=order),
        Residual(inner) if options.double_skip else inner,
        Unit(width, num_out, size=1, order=order),
    )
    if order == "tricks":
        body.append(nn.BatchNorm2d(num_out))
    fits = shortcut(num_in, num_out, stride=stride, variant=options.downsample, eps=BRANCH_EPS)
    activates = fits is not None or options.prelu_everywhere
    activation = _activation(num_out, options) if activates else None
    return [Residual(body, fits=fits, activation=activation)]


def _activation(channels: int, options: BlockOptions) -> nn.Module | None:
    return None if options.prelu is None else nn.PReLU(channels, init=options.prelu)
