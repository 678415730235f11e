"""MobileNet, as published beside distribution-aware weights."""

from typing import ClassVar

from torch import Tensor, nn

from trainers.models.forms import Form, FormedNet, check_counts
from trainers.models.linear import Linear
from trainers.models.units import Unit

CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
HALVING = (2, 4, 6, 12)
"""Blocks whose depthwise convolution halves the image."""
UNBIASED = (
    "stem.conv",
    *(
        f"block{number}.{kind}.conv"
        for number in range(1, len(CHANNELS) + 1)
        for kind in ("depthwise", "pointwise")
    ),
)


class MobileNet(FormedNet):
    """MobileNet for grey sketches: a convolution, thirteen separable ones, the mean, linear.

    The first convolution has 32 channels (3 × 3, stride 2). Each block is a 3 × 3 convolution of
    every channel by itself and a 1 × 1 convolution, to 64 up to 1024 channels; blocks 2, 4, 6 and
    12 halve the image. All convolutions are normalised and none has a bias. Layers are named
    stem.conv, block1.depthwise.conv, block1.pointwise.conv, ..., fc. Returns logits; the published
    code applies log-softmax to them. A depthwise convolution has one input channel a filter: what
    centres weights over these makes all of them 0.

    Args:
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, of any size (published: 224 × 224); 1 or more.

    Raises:
        SpecError: If one of them is below 1.

    Source: Howard et al. 2017, arXiv:1704.04861; code of Prabhu et al. 2018, WACV: `mobilenet`.
    Where we differ: the mean of the whole map, which is that of 7 × 7 at the published size.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(self, *, num_classes: int = 250, in_channels: int = 1) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        form = Form(unbiased=UNBIASED)
        super().__init__(form, UNBIASED[1:])
        self.takes = (in_channels, None, None)
        self.stem = Unit("stem", in_channels, 32, 3, stride=2, padding=1, form=form, is_first=True)
        num_in = 32
        for number, channels in enumerate(CHANNELS, start=1):
            name, stride = f"block{number}", 2 if number in HALVING else 1
            block = nn.Sequential()
            depthwise, pointwise = f"{name}.depthwise", f"{name}.pointwise"
            block.add_module(
                "depthwise",
                Unit(
                    depthwise,
                    num_in,
                    num_in,
                    3,
                    stride=stride,
                    padding=1,
                    groups=num_in,
                    form=form,
                ),
            )
            block.add_module("pointwise", Unit(pointwise, num_in, channels, 1, form=form))
            self.add_module(name, block)
            num_in = channels
        self.fc = Linear(num_in, num_classes)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, height, width).

        Raises:
            SpecError: If the images have another number of channels.
        """
        self.check_images(images)
        x: Tensor = self.stem(images)
        for number in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"block{number}")(x)
        logits: Tensor = self.fc(x.relu().mean((2, 3)))
        return logits
