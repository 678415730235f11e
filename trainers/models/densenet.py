"""DenseNet for 32 × 32 images, as published beside distribution-aware weights."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.forms import Form, FormedNet, check_counts
from trainers.models.linear import Linear
from trainers.models.relu import relu_before


def preactivated(norm: nn.Module, conv: nn.Module, x: Tensor) -> Tensor:
    """Normalisation, ReLU and convolution; the sign of a binary input takes the place of ReLU."""
    output: Tensor = conv(relu_before(conv, norm(x)))
    return output


class DenseLayer(nn.Module):
    """A 1 × 1 convolution to 4 × growth channels and a 3 × 3 to growth, put behind the input.

    Args:
        num_in: Channels of the input.
        growth: Channels that are added to them.
        dropout: Share of values dropped behind each convolution.
    """

    def __init__(self, num_in: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.bn1 = nn.BatchNorm2d(num_in)
        self.conv1 = nn.Conv2d(num_in, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns (batch, in + growth, height, width) of x, (batch, in, height, width)."""
        new = preactivated(self.bn1, self.conv1, x)
        new = functional.dropout(new, self.dropout, self.training)
        new = preactivated(self.bn2, self.conv2, new)
        return torch.cat([x, functional.dropout(new, self.dropout, self.training)], 1)


class Transition(nn.Module):
    """A 1 × 1 convolution to half the channels, and 2 × 2 average pooling.

    Args:
        num_in: Channels of the input.
        dropout: Share of values dropped behind the convolution.
    """

    def __init__(self, num_in: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.bn1 = nn.BatchNorm2d(num_in)
        self.conv1 = nn.Conv2d(num_in, num_in // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Returns (batch, in / 2, height / 2, width / 2) of x, (batch, in, height, width)."""
        x = preactivated(self.bn1, self.conv1, x)
        return functional.avg_pool2d(functional.dropout(x, self.dropout, self.training), 2)


class DenseNet(FormedNet):
    """Three blocks of dense layers with bottlenecks, two transitions between them; logits.

    A 3 × 3 convolution of 2 × growth channels, the blocks, the mean over the image, a linear
    layer. A transition halves channels and image. Values are dropped behind every convolution but
    the first. Convolutions have no bias; normalisation and ReLU come before them. Layers are named
    conv1, block1.0.conv1, block1.0.conv2, ..., trans1.conv1, ..., fc. Returns logits; the
    published code applies log-softmax to them.

    Args:
        depth: Layers: a block has a sixth of `depth` - 4, rounded down, two convolutions each; 10
            or more.
        growth: Channels that each layer adds; 1 or more.
        dropout: Share of values dropped; 0 or more, below 1.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, of any size (published: 32 × 32); 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Huang et al. 2017, arXiv:1608.06993 (DenseNet-BC); code of Prabhu et al. 2018, WACV:
        `densenet`, of depth 32, which makes 28 layers.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        depth: int = 32,
        growth: int = 12,
        dropout: float = 0.2,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        check_counts({"growth": growth, "num_classes": num_classes, "in_channels": in_channels})
        if depth < 10:
            raise SpecError(Fault("depth", f"must be 10 or more, got {depth}"))
        if not 0 <= dropout < 1:
            raise SpecError(Fault("dropout", f"must be 0 or more and below 1, got {dropout}"))
        num_layers = (depth - 4) // 6
        parts: list[tuple[str, nn.Module]] = []
        num_in = 2 * growth
        for number in (1, 2, 3):
            block = nn.Sequential()
            for layer in range(num_layers):
                block.add_module(str(layer), DenseLayer(num_in, growth, dropout))
                num_in += growth
            parts.append((f"block{number}", block))
            if number < 3:
                parts.append((f"trans{number}", Transition(num_in, dropout)))
                num_in //= 2
        super().__init__(Form(dropout=dropout), _inner(parts))
        self.takes = (in_channels, None, None)
        self.conv1 = nn.Conv2d(in_channels, 2 * growth, 3, padding=1, bias=False)
        self.parts = tuple(name for name, _ in parts)
        for name, part in parts:
            self.add_module(name, part)
        self.bn = nn.BatchNorm2d(num_in)
        self.fc = Linear(num_in, num_classes)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, height, width).

        Raises:
            SpecError: If the images have another number of channels.
        """
        self.check_images(images)
        x: Tensor = self.conv1(images)
        for name in self.parts:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(self.bn(x).relu().mean((2, 3)))
        return logits


def _inner(parts: list[tuple[str, nn.Module]]) -> tuple[str, ...]:
    return tuple(
        f"{name}.{layer}"
        for name, part in parts
        for layer, module in part.named_modules()
        if isinstance(module, nn.Conv2d)
    )
