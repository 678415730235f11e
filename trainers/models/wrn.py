"""Wide residual networks for 32 × 32 images, as published with 1-bit weights."""

from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError

CHANNELS = (16, 32, 64)


class Block(nn.Module):
    """Normalisation, ReLU and a 3 × 3 convolution, twice, plus the input.

    Where the number of channels grows, the shortcut adapts the input (before normalisation)
    without parameters: 3 × 3 average pooling with stride 2, which counts the zero padding, and
    zero channels appended behind.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output; `num_in` or more. If more, the block halves the image in
            both directions.

    Source: Zagoruyko & Komodakis 2016, arXiv:1605.07146, sec. 2; McDonnell 2018,
        arXiv:1802.08530, sec. 3.
    """

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.grows = num_out > num_in
        self.bn0 = nn.BatchNorm2d(num_in, affine=False)
        stride = 2 if self.grows else 1
        self.conv0 = nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out, affine=False)
        self.conv1 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height / stride, width / stride), of x, (batch, in, height, width).

        An odd height or width is rounded up.
        """
        residual: Tensor = self.conv0(self.bn0(x).relu())
        residual = self.conv1(self.bn1(residual).relu())
        if self.grows:
            x = functional.avg_pool2d(x, 3, stride=2, padding=1)
            missing = residual.shape[1] - x.shape[1]
            x = torch.cat([x, x.new_zeros(x.shape[0], missing, *x.shape[2:])], 1)
        return x + residual


class Wrn(nn.Module):
    """Wide ResNet: a convolution, three groups, a 1 × 1 convolution, the mean; returns logits.

    The groups have 16, 32 and 64 channels times `width`, and equally many blocks; the second and
    the third halve the image first. The 1 × 1 convolution makes one map per class; these maps are
    normalised, then averaged over the image. This last normalisation is the only one with a weight
    and a bias. No convolution has a bias. Layers are named conv0, group0.block0.conv0,
    group0.block0.conv1, ..., conv_last. The published network has 1-bit weights in all layers but
    the first and the last.

    Args:
        depth: Number of convolutions: 6n + 2 for n blocks a group, n at least 1.
        width: Factor on the channels, 1/16 or more; rounded down to whole channels.
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If `depth`, `width` or `num_classes` is not allowed.

    Source: McDonnell 2018, arXiv:1802.08530, sec. 3, as in szagoruyko/binary-wide-resnet.
    """

    takes: ClassVar[tuple[int | None, ...]] = (3, None, None)
    """Channels, height and width of the images; None: any."""

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(self, *, depth: int = 20, width: float = 1.0, num_classes: int = 10) -> None:
        super().__init__()
        num_blocks, rest = divmod(depth - 2, 6)
        if rest or num_blocks < 1:
            raise SpecError(Fault("depth", f"must be 8, 14, 20, ... (6n + 2), got {depth}"))
        if not width >= 1 / CHANNELS[0]:
            what = f"must be {1 / CHANNELS[0]} or more, got {width}"
            raise SpecError(Fault("width", what, "that is one channel in the first group"))
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        channels = [int(number * width) for number in CHANNELS]
        num_in = channels[0]
        self.conv0 = nn.Conv2d(3, num_in, 3, padding=1, bias=False)
        for number, num_out in enumerate(channels):
            group = nn.Sequential()
            for block in range(num_blocks):
                group.add_module(f"block{block}", Block(num_in, num_out))
                num_in = num_out
            self.add_module(f"group{number}", group)
        self.bn = nn.BatchNorm2d(num_in, affine=False)
        self.conv_last = nn.Conv2d(num_in, num_classes, 1, bias=False)
        self.bn_last = nn.BatchNorm2d(num_classes)
        for module in self.modules():
            # A weight on the meta device has no values; drawing them would make torch load its
            # compiler.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                self.initialise_layer(module, None)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of shape (batch, 3, height, width)."""
        x = self.conv0(images)
        for number in range(len(CHANNELS)):
            x = self.get_submodule(f"group{number}")(x)
        x = self.conv_last(self.bn(x).relu())
        logits: Tensor = self.bn_last(x).mean((2, 3))
        return logits

    def initialise_layer(self, layer: nn.Linear | nn.Conv2d, generator: Generator | None) -> None:
        """Draws the weight from a normal distribution of variance 2 / fan-out.

        Source: He et al. 2015, arXiv:1502.01852, sec. 2.2; fan-out, as in the published code.
        """
        nn.init.kaiming_normal_(
            layer.weight, mode="fan_out", nonlinearity="relu", generator=generator
        )
