"""Blocks of Bi-Real networks: convolutions for binary inputs, each with a skip of its own."""

from collections import OrderedDict
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
    mean of the pixels there are. With stride 1 it is of 3 × 3 pixels in v1, v2 and v3. Means of 3
    × 3 count their zero padding.

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
    parts: dict[str, nn.Module] = {"conv": conv, "bn": norm}
    if variant != "strided":
        is_wide = stride == 1 or variant == "v3"
        wide = nn.AvgPool2d(3, stride=stride, padding=1)
        parts["mean"] = wide if is_wide else nn.AvgPool2d(2, ceil_mode=True)
    order = ("mean", "conv", "bn") if variant == "v2" else tuple(parts)
    return nn.Sequential(OrderedDict((name, parts[name]) for name in order))


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

    def activation(self, channels: int) -> nn.Module | None:
        """Makes the activation after an addition."""
        return None if self.prelu is None else nn.PReLU(channels, init=self.prelu)


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions: each with a skip of its own, or one skip over both.

    With `double_skip`: y = prelu(unit1(x) + shortcut(x)), z = prelu(unit2(y) + y). Without: z =
    prelu(unit2(unit1(x)) + shortcut(x)). The layers have the same names and numbers in both.

    Args:
        num_in: Channels of the input.
        width: Channels of both convolutions.
        stride: Of the first convolution; 2 halves the image in both directions.
        options: Those of the network.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, tricks 1 to 3; Liu et al.
        2018, arXiv:1808.00278, sec. 3.2.
    """

    def __init__(self, num_in: int, width: int, *, stride: int, options: BlockOptions) -> None:
        super().__init__()
        self.unit1 = _unit(num_in, width, options, stride=stride)
        self.shortcut = shortcut(num_in, width, stride=stride, variant=options.downsample)
        self.has_two_skips = options.double_skip
        self.activation1 = options.activation(width) if options.double_skip else None
        self.unit2 = _unit(width, width, options)
        self.activation2 = options.activation(width)
        self.num_out = width

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, width, height / stride, width / stride), of x, (batch, in, ...)."""
        result: Tensor = self.unit1(x)
        skipped = x if self.shortcut is None else self.shortcut(x)
        if self.has_two_skips:
            skipped = result = _applied(self.activation1, result + skipped)
        return _applied(self.activation2, self.unit2(result) + skipped)


class Bottleneck(nn.Module):
    """A 1 × 1, a 3 × 3 and a 1 × 1 convolution to four times as many channels; one skip over all.

    The first convolution has the stride. With `double_skip` the 3 × 3 convolution has a skip too.
    With the tricks' order a fourth normalisation comes before the addition. The activation is only
    where the shortcut has a convolution, unless `prelu_everywhere`.

    Args:
        num_in: Channels of the input.
        width: Channels of the 3 × 3 convolution.
        stride: 2 halves the image in both directions.
        options: Those of the network.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 1.
    Where we differ: the published shortcut with stride 2 has twice the channels of the input,
        which is right only if these are twice those inside; it has four times those inside here.
    """

    def __init__(self, num_in: int, width: int, *, stride: int, options: BlockOptions) -> None:
        super().__init__()
        self.num_out = num_out = 4 * width
        order = options.order
        self.unit1 = Unit(num_in, width, size=1, stride=stride, order=order)
        self.unit2 = _unit(width, width, options)
        self.has_two_skips = options.double_skip
        self.unit3 = Unit(width, num_out, size=1, order=order)
        self.bn4 = nn.BatchNorm2d(num_out) if order == "tricks" else None
        self.shortcut = shortcut(
            num_in, num_out, stride=stride, variant=options.downsample, eps=BRANCH_EPS
        )
        activates = self.shortcut is not None or options.prelu_everywhere
        self.activation = options.activation(num_out) if activates else None

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, 4 width, height / stride, width / stride), of x, (batch, in, ...)."""
        first: Tensor = self.unit1(x)
        second: Tensor = self.unit2(first)
        result = self.unit3(second + first if self.has_two_skips else second)
        result = _applied(self.bn4, result) + (x if self.shortcut is None else self.shortcut(x))
        return _applied(self.activation, result)


def _unit(num_in: int, num_out: int, options: BlockOptions, *, stride: int = 1) -> Unit:
    return Unit(
        num_in,
        num_out,
        stride=stride,
        groups=options.groups,
        order=options.order,
        reduction=options.reduction,
    )


def _applied(module: nn.Module | None, x: Tensor) -> Tensor:
    return x if module is None else module(x)
