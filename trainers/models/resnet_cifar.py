"""Residual networks for 32 × 32 images: two families."""

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from trainers.errors import Fault, SpecError
from trainers.models.residual import NUM_BLOCKS, Ordering, ResNet, basic_stage, four_stages

CHANNELS = (16, 32, 64)
SMALL = (20, 32, 44, 56, 110)
"""Depths with three stages."""


class ResNetCifar(ResNet):
    """ResNet with three stages of 16, 32 and 64 channels; returns logits.

    A convolution, the stages, the mean over the image, a linear layer. All stages have equally
    many blocks; the second and the third halve the image first. Layers are named conv1,
    stage1.0.conv1, stage1.0.conv2, ..., fc. Shortcuts have no parameters, so they are not counted
    as layers.

    Args:
        depth: Layers with weights: 6n + 2 for n blocks a stage, n at least 1.
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If `depth` or `num_classes` is not allowed.

    Source: He et al. 2015, arXiv:1512.03385, sec. 4.2; as trained in arXiv:2111.07046, sec. 4.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(self, *, depth: int, num_classes: int) -> None:
        num_blocks, rest = divmod(depth - 2, 6)
        if rest or num_blocks < 1:
            raise SpecError(Fault("depth", f"must be 8, 14, 20, ... (6n + 2), got {depth}"))
        widths = (CHANNELS[0], *CHANNELS)
        super().__init__(
            stem=nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False),
            stages=[
                (f"stage{number}", basic_stage(num_in, num_out, num_blocks))
                for number, (num_in, num_out) in enumerate(pairwise(widths), start=1)
            ],
            num_classes=num_classes,
        )


class ResNetTicket(ResNet):
    """The ResNets for 32 × 32 images in which BIPROP searches for tickets.

    Depths 18, 34, 50 and 101 have four stages of 64 to 512 channels; depths 20, 32, 44, 56 and 110
    have three of 16, 32 and 64. Shortcuts are 1 × 1 convolutions. No layer has a bias. Layers are
    named conv1, layer1.0.conv1, layer1.0.conv2, ..., layer2.0.downsample.0, ..., fc.

    Args:
        depth: 18, 20, 32, 34, 44, 50, 56, 101 or 110.
        width: Factor on the channels of all stages but the first; wide networks published as "2"
            and "3" have 1.5 and 2 here.
        num_classes: Outputs; 1 or more.
        ordering: Where the last normalisation of a block stands.
        affine: Normalisations have a weight and a bias.
        published_pool: Pool 4 × 4 pixels instead of the whole map. With three stages, four pixels
            remain, so there are four times as many outputs as classes; labels refer to the first
            outputs.

    Raises:
        SpecError: If `depth`, `width` or `num_classes` is not allowed.

    Source: the code published with arXiv:2103.09377; He et al. 2015, arXiv:1512.03385.
    Where we differ: the published three-stage networks have 40 outputs (`published_pool`).
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        depth: int,
        width: float = 1.0,
        num_classes: int = 10,
        ordering: Ordering = "v1",
        affine: bool = False,
        published_pool: bool = False,
    ) -> None:
        known = sorted((*NUM_BLOCKS, *SMALL))
        if depth not in known:
            names = ", ".join(str(number) for number in known)
            raise SpecError(Fault("depth", f"must be one of {names}, got {depth}"))
        if depth in NUM_BLOCKS:
            stages = four_stages(
                depth,
                names="layer",
                width=width,
                bottleneck_width=64,
                ordering=ordering,
                affine=affine,
            )
        else:
            stages = _three_stages(depth, width=width, ordering=ordering, affine=affine)
        super().__init__(
            stem=nn.Conv2d(3, 64 if depth in NUM_BLOCKS else 16, 3, padding=1, bias=False),
            stages=stages,
            num_classes=num_classes,
            affine=affine,
            bias=False,
        )
        if published_pool:
            self.pool = nn.AvgPool2d(4)
        self.has_idle_outputs = published_pool

    def classified(self, pooled: Tensor) -> Tensor:
        """Returns the logits of pooled features; with several pixels, those of all, by class."""
        if pooled.dim() == 2:
            return super().classified(pooled)
        logits: Tensor = self.fc(pooled.movedim(1, -1))
        return logits.movedim(-1, 1).flatten(1)


def _three_stages(
    depth: int, *, width: float, ordering: Ordering, affine: bool
) -> tuple[tuple[str, nn.Sequential], ...]:
    if not width > 0:
        raise SpecError(Fault("width", f"must be positive, got {width}"))
    widths = [CHANNELS[0], CHANNELS[0], *(int(channels * width) for channels in CHANNELS[1:])]
    return tuple(
        (
            f"layer{number}",
            basic_stage(
                num_in,
                num_out,
                (depth - 2) // 6,
                stride=1 if number == 1 else 2,
                shortcut="conv",
                ordering=ordering,
                affine=affine,
            ),
        )
        for number, (num_in, num_out) in enumerate(pairwise(widths), start=1)
    )


def resnet20(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-20: three blocks a stage.

    268,336 weights in 20 layers, 269,722 parameters in all (for ten classes).

    Args:
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If `num_classes` is below 1.

    Source: arXiv:1512.03385, sec. 4.2; arXiv:2111.07046, sec. 4.
    """
    return ResNetCifar(depth=20, num_classes=num_classes)


def resnet32(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-32: five blocks a stage; 464,154 parameters; otherwise like `resnet20`."""
    return ResNetCifar(depth=32, num_classes=num_classes)


def resnet44(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-44: seven blocks a stage; 658,586 parameters; otherwise like `resnet20`."""
    return ResNetCifar(depth=44, num_classes=num_classes)


def resnet56(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-56: nine blocks a stage; 853,018 parameters; otherwise like `resnet20`."""
    return ResNetCifar(depth=56, num_classes=num_classes)


def resnet110(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-110: eighteen blocks a stage; 1,727,962 parameters; otherwise like `resnet20`."""
    return ResNetCifar(depth=110, num_classes=num_classes)
