"""Residual networks for 224 × 224 images, including ResNet-18, also called ResNet-21."""

from torch import Generator, nn

from trainers.errors import Fault, SpecError
from trainers.models.init import initialise_layer
from trainers.models.residual import NUM_BLOCKS, Ordering, ResNet, four_stages


class ResNetImageNet(ResNet):
    """ResNet with four stages for 224 × 224 images; returns logits.

    A 7 × 7 convolution, the stages, the mean over the image, a linear layer. The stages have 64,
    128, 256 and 512 channels, four times as many with bottlenecks; all but the first halve the
    image first. Layers are named as in torchvision (conv1, layer1.0.conv1, ...,
    layer2.0.downsample.0, ..., fc), so torchvision's trained weights load unchanged. In these
    names "layer2" is the second stage, not the second layer.

    Args:
        depth: 18, 34, 50 or 101.
        width: Factor on the channels of all stages but the first; the wide networks that BIPROP
            publishes as "2" and "3" have 1.5 and 2 here.
        bottleneck_width: Channels inside the bottlenecks of the first stage; 128 makes the wide
            networks of depth 50 and 101.
        num_classes: Outputs; 1 or more.
        ordering: Where the last normalisation of a block stands; with v2 and v2_twice the first
            pooling comes before bn1.
        affine: Normalisations have a weight and a bias.
        bias: The last layer has a bias.

    Raises:
        SpecError: If `depth`, `width`, `bottleneck_width` or `num_classes` is not allowed.

    Source: He et al. 2015, arXiv:1512.03385, table 1; v2 and v2_twice: the code published with
        arXiv:2103.09377.
    """

    def __init__(
        self,
        *,
        depth: int,
        width: float = 1.0,
        bottleneck_width: int = 64,
        num_classes: int = 1000,
        ordering: Ordering = "v1",
        affine: bool = True,
        bias: bool = True,
    ) -> None:
        if depth not in NUM_BLOCKS:
            names = ", ".join(str(number) for number in NUM_BLOCKS)
            raise SpecError(Fault("depth", f"must be one of {names}, got {depth}"))
        super().__init__(
            stem=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            stages=four_stages(
                depth,
                names="layer",
                width=width,
                bottleneck_width=bottleneck_width,
                ordering=ordering,
                affine=affine,
            ),
            num_classes=num_classes,
            stem_pool=nn.MaxPool2d(3, stride=2, padding=1),
            pools_first=ordering != "v1",
            affine=affine,
            bias=bias,
        )
        for module in self.modules():
            # A weight on the meta device has no values; drawing them would make torch load its
            # compiler.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                self.initialise_layer(module, None)

    def initialise_layer(self, layer: nn.Linear | nn.Conv2d, generator: Generator | None) -> None:
        """Draws convolutions from a normal distribution of variance 2 / fan-out.

        Source: He et al. 2015, arXiv:1502.01852, sec. 2.2; fan-out, as in torchvision.
        """
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(
                layer.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        else:
            initialise_layer(layer, generator)


def resnet21(*, num_classes: int = 1000) -> ResNetImageNet:
    """ResNet-21: the name that arXiv:2111.07046 gives to ResNet-18.

    "21" also counts the three shortcut convolutions, as layers 8, 13 and 18. 11,678,912 weights,
    11,689,512 parameters in all (for 1000 classes).

    Args:
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If `num_classes` is below 1.

    Source: arXiv:1512.03385, table 1; arXiv:2111.07046, sec. 4.
    """
    return ResNetImageNet(depth=18, num_classes=num_classes)


def resnet_imagenet(
    *,
    depth: int,
    width: float = 1.0,
    bottleneck_width: int = 64,
    num_classes: int = 1000,
    ordering: Ordering = "v1",
    affine: bool = False,
) -> ResNetImageNet:
    """The networks in which BIPROP searches for tickets: `ResNetImageNet` without biases.

    Raises:
        SpecError: If `depth`, `width`, `bottleneck_width` or `num_classes` is not allowed.

    Source: the code published with arXiv:2103.09377.
    """
    return ResNetImageNet(
        depth=depth,
        width=width,
        bottleneck_width=bottleneck_width,
        num_classes=num_classes,
        ordering=ordering,
        affine=affine,
        bias=False,
    )
