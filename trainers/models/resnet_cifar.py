"""Residual networks for 32 × 32 images: ResNet-20, 32, 44, 56 and 110."""

from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.linear import Linear

CHANNELS = (16, 32, 64)


class Block(nn.Module):
    """Two normalised 3 × 3 convolutions, the input added to what they give, ReLU.

    Where the number of channels grows the input is made to fit without parameters (option A):
    every second pixel in both directions, with channels of zeros on either side, as many in front
    as behind.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output; `num_in`, or larger by an even number. Where larger, the
            image is halved in both directions.

    Source: He et al. 2015, arXiv:1512.03385, sec. 3.3 and 4.2.
    """

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.stride = 1 if num_in == num_out else 2
        self.padding = (num_out - num_in) // 2
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height / stride, width / stride), of x, (batch, in, height, width).

        An odd height or width is rounded up.
        """
        residual = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.padding:
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, self.padding, self.padding))
        result: Tensor = (x + residual).relu()
        return result


class ResNetCifar(nn.Module):
    """A convolution, three stages of residual blocks, the mean over the image, a linear layer.

    The stages have 16, 32 and 64 channels, and equally many blocks; the second and the third
    begin by halving the image. Returns logits. Layers are named conv1, stage1.0.conv1,
    stage1.0.conv2, ..., fc; shortcuts have no parameters, and so no number.

    Args:
        depth: Layers with weights; 6n + 2 for n blocks a stage, n 1 or more.
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If no network has that depth, or there is no class.

    Source: He et al. 2015, arXiv:1512.03385, sec. 4.2; as trained in arXiv:2111.07046, sec. 4.
    """

    def __init__(self, *, depth: int, num_classes: int) -> None:
        super().__init__()
        num_blocks, rest = divmod(depth - 2, 6)
        if rest or num_blocks < 1:
            raise SpecError(Fault("depth", f"must be 8, 14, 20, ... (6n + 2), got {depth}"))
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        width = CHANNELS[0]
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for number, num_out in enumerate(CHANNELS, start=1):
            widths = [width] + [num_out] * (num_blocks - 1)
            self.add_module(f"stage{number}", nn.Sequential(*(Block(w, num_out) for w in widths)))
            width = num_out
        self.fc = Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (batch, classes), of images of shape (batch, 3, height, width)."""
        x = self.bn1(self.conv1(images)).relu()
        for number in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"stage{number}")(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def resnet20(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-20: three blocks a stage.

    268,336 weights in 20 layers, 269,722 parameters in all (for ten classes).

    Args:
        num_classes: Outputs; 1 or more.

    Raises:
        SpecError: If there is no class.

    Source: arXiv:1512.03385, sec. 4.2; arXiv:2111.07046, sec. 4.
    """
    return ResNetCifar(depth=20, num_classes=num_classes)


def resnet32(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-32: five blocks a stage; 464,154 parameters; otherwise as `resnet20`."""
    return ResNetCifar(depth=32, num_classes=num_classes)


def resnet44(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-44: seven blocks a stage; 658,586 parameters; otherwise as `resnet20`."""
    return ResNetCifar(depth=44, num_classes=num_classes)


def resnet56(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-56: nine blocks a stage; 853,018 parameters; otherwise as `resnet20`."""
    return ResNetCifar(depth=56, num_classes=num_classes)


def resnet110(*, num_classes: int = 10) -> ResNetCifar:
    """ResNet-110: eighteen blocks a stage; 1,727,962 parameters; otherwise as `resnet20`."""
    return ResNetCifar(depth=110, num_classes=num_classes)
