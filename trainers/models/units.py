"""A convolution with its normalisation, in front of it or behind it."""

from torch import Tensor, nn

from trainers.models.forms import Form
from trainers.models.relu import relu_before


def normalised(
    conv: nn.Module, norm: nn.Module | None, x: Tensor, *, norm_first: bool = False
) -> Tensor:
    """Applies ReLU, then a convolution with its normalisation.

    ReLU, which published code applies behind each layer, comes here before the next one; pooling
    for the maximum and dropout between the two commute with it. If the input of `conv` is binary,
    the sign stands directly in front of `conv`: behind the normalisation if that comes first, so
    ReLU remains; else in place of ReLU.

    Args:
        conv: The convolution.
        norm: Its normalisation; None: it has none.
        x: Its input before ReLU, (batch, in, height, width).
        norm_first: Normalise the input instead of the output.

    Returns:
        The output before ReLU, (batch, out, height, width).
    """
    if norm is not None and norm_first:
        output: Tensor = conv(norm(x.relu()))
        return output
    output = conv(relu_before(conv, x))
    return output if norm is None else norm(output)


class Unit(nn.Module):
    """A convolution and its normalisation as one module; layers are named NAME.conv.

    Args:
        name: Full name of this module in the network, to find its layer in the form.
        num_in: Channels of the input.
        num_out: Channels of the output.
        kernel: Height and width of the kernel.
        form: Where this layer is normalised, and whether it has a bias.
        stride: Stride of the convolution.
        padding: Zeros at each side of the image.
        groups: Groups of channels.
        norm_behind: False: has no normalisation unless the form puts it in front.
        is_first: Takes the images, which pass no ReLU; normalised behind.
    """

    def __init__(
        self,
        name: str,
        num_in: int,
        num_out: int,
        kernel: int,
        *,
        form: Form,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        norm_behind: bool = True,
        is_first: bool = False,
    ) -> None:
        super().__init__()
        layer = f"{name}.conv"
        self.norm_first = layer in form.norm_before
        bias = layer not in form.unbiased
        self.conv = nn.Conv2d(
            num_in, num_out, kernel, stride=stride, padding=padding, groups=groups, bias=bias
        )
        self.bn: nn.BatchNorm2d | None = None
        if self.norm_first or norm_behind:
            self.bn = nn.BatchNorm2d(num_in if self.norm_first else num_out)
        self.is_first = is_first

    def forward(self, x: Tensor) -> Tensor:
        """Output before ReLU, (batch, out, height, width), of an input before ReLU."""
        if self.is_first:
            assert self.bn is not None
            first: Tensor = self.bn(self.conv(x))
            return first
        return normalised(self.conv, self.bn, x, norm_first=self.norm_first)
