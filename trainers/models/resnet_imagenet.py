"""The residual network for 224 × 224 images that is called ResNet-18, or ResNet-21."""

from torch import Generator, Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.init import initialise_layer
from trainers.models.linear import Linear

CHANNELS = (64, 128, 256, 512)


class Block(nn.Module):
    """Two normalised 3 × 3 convolutions, the input added to what they give, ReLU.

    Where the number of channels grows the input passes a normalised 1 × 1 convolution (option B),
    registered last: in the paper's count it comes after conv2.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output. Where they differ, the image is halved in both
            directions.

    Source: He et al. 2015, arXiv:1512.03385, sec. 3.3.
    """

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        stride = 1 if num_in == num_out else 2
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)
        self.downsample: nn.Sequential | None = None
        if stride == 2:
            shortcut = nn.Conv2d(num_in, num_out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(num_out))

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height / stride, width / stride), of x, (batch, in, height, width).

        An odd height or width is rounded up.
        """
        residual = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.downsample is not None:
            x = self.downsample(x)
        result: Tensor = (x + residual).relu()
        return result


class ResNetImageNet(nn.Module):
    """A 7 × 7 convolution, four stages of two residual blocks, the mean, a linear layer.

    The stages have 64, 128, 256 and 512 channels; all but the first begin by halving the image.
    Returns logits. Layers are named as in torchvision's resnet18 (conv1, layer1.0.conv1, ...,
    layer2.0.downsample.0, ..., fc), so that its trained weights load as they are; there "layer2"
    is a stage, and has nothing to do with the second layer.

    Args:
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If there is no class.

    Source: He et al. 2015, arXiv:1512.03385, table 1; as trained in arXiv:2111.07046, sec. 4.
    """

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        width = CHANNELS[0]
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for number, num_out in enumerate(CHANNELS, start=1):
            stage = nn.Sequential(Block(width, num_out), Block(num_out, num_out))
            self.add_module(f"layer{number}", stage)
            width = num_out
        self.fc = Linear(width, num_classes)
        for module in self.modules():
            # A weight on the meta device has no values, and torch would load its compiler to draw
            # them.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                self.initialise_layer(module, None)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (batch, classes), of images of shape (batch, 3, height, width)."""
        x = self.bn1(self.conv1(images)).relu()
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for number in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

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
    """ResNet-21, as arXiv:2111.07046 calls what others call ResNet-18.

    The 18 layers do not count the three convolutions of the shortcuts, the 21 do: layers 8, 13
    and 18. 11,678,912 weights, 11,689,512 parameters in all (for 1000 classes).

    Args:
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If there is no class.

    Source: arXiv:1512.03385, table 1; arXiv:2111.07046, sec. 4.
    """
    return ResNetImageNet(num_classes=num_classes)
