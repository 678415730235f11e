"""VGG networks for 32 × 32 images: "VGG-5" and "VGG-9"."""

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.linear import Linear
from trainers.models.relu import relu_before

IMAGE_SIZE = 32
HIDDEN = (256, 256)

PoolOrder = Literal["conv_bn_relu_pool", "conv_pool_bn_relu"]
"""Where the pooling of a group stands."""


class Vgg(nn.Module):
    """Groups of 3 × 3 convolutions, each group pooled, then linear layers; returns logits.

    Batch normalisation follows every layer, the last one too; ReLU follows all but the last.
    Names carry the paper's layer numbers: conv1, bn1, conv2, bn2, fc3, ... Convolutions keep the
    image size; 2 × 2 max pooling comes after ReLU, or before the normalisation.

    Args:
        channels: Output channels of the convolutions, group by group; at most five groups.
        num_classes: Outputs; 1 or more.
        pool_order: conv_bn_relu_pool; or conv_pool_bn_relu: as the first, but the pooling sees the
            real numbers of the convolution, before a normalisation.

    Raises:
        SpecError: If `num_classes` is below 1, or `pool_order` is unknown.

    Source: arXiv:2111.07046, sec. 4; after Simonyan & Zisserman 2015, arXiv:1409.1556;
        `pool_order`: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 11.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    takes: ClassVar[tuple[int | None, ...]] = (3, IMAGE_SIZE, IMAGE_SIZE)
    """Channels, height and width of the images."""

    def __init__(
        self,
        *,
        channels: Sequence[Sequence[int]],
        num_classes: int,
        pool_order: PoolOrder = "conv_bn_relu_pool",
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        if pool_order not in get_args(PoolOrder):
            known = f"known: {', '.join(get_args(PoolOrder))}"
            raise SpecError(Fault("pool_order", f"unknown value '{pool_order}'", known))
        self.pools_first = pool_order == "conv_pool_bn_relu"
        self.depth = 0
        self.pooled: set[int] = set()
        width = 3
        for group in channels:
            for num_out in group:
                self._add("conv", nn.Conv2d(width, num_out, 3, padding=1), nn.BatchNorm2d(num_out))
                width = num_out
            self.pooled.add(self.depth)
        self.num_convs = self.depth
        width *= (IMAGE_SIZE // 2 ** len(channels)) ** 2
        for num_out in (*HIDDEN, num_classes):
            self._add("fc", Linear(width, num_out), nn.BatchNorm1d(num_out))
            width = num_out

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of shape (batch, 3, 32, 32)."""
        x = images
        for number in range(1, self.depth + 1):
            is_linear = number > self.num_convs
            layer = self.get_submodule(f"{'fc' if is_linear else 'conv'}{number}")
            if number > 1:
                x = relu_before(layer, x)
            if number - 1 in self.pooled and not self.pools_first:
                x = functional.max_pool2d(x, 2)
            x = layer(x.flatten(1) if is_linear else x)
            if number in self.pooled and self.pools_first:
                x = functional.max_pool2d(x, 2)
            x = self.get_submodule(f"bn{number}")(x)
        return x

    def _add(self, kind: str, layer: nn.Module, norm: nn.Module) -> None:
        self.depth += 1
        self.add_module(f"{kind}{self.depth}", layer)
        self.add_module(f"bn{self.depth}", norm)


def vgg5(*, num_classes: int = 10, pool_order: PoolOrder = "conv_bn_relu_pool") -> Vgg:
    """VGG-5: two convolutions of 64 channels, then 256, 256 and `num_classes` units.

    4,300,992 weights in five layers, 4,302,942 parameters in all (for ten classes).

    Args:
        num_classes: Outputs; 1 or more.
        pool_order: As in `Vgg`.

    Raises:
        SpecError: If `num_classes` is below 1.

    Source: arXiv:2111.07046, sec. 4.
    """
    return Vgg(channels=[[64, 64]], num_classes=num_classes, pool_order=pool_order)


def vgg9(*, num_classes: int = 10, pool_order: PoolOrder = "conv_bn_relu_pool") -> Vgg:
    """VGG-9: two convolutions each of 64, 128, 256 channels, then 256, 256, `num_classes` units.

    2,261,184 weights in nine layers, 2,265,438 parameters in all (for ten classes).

    Args:
        num_classes: Outputs; 1 or more.
        pool_order: As in `Vgg`.

    Raises:
        SpecError: If `num_classes` is below 1.

    Source: arXiv:2111.07046, sec. 4.
    """
    return Vgg(
        channels=[[64, 64], [128, 128], [256, 256]], num_classes=num_classes, pool_order=pool_order
    )
