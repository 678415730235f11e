"""VGG-Small: six convolutions and one linear layer, for 32 × 32 images."""

from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.linear import Linear
from trainers.models.relu import relu_before

CHANNELS = (128, 128, 256, 256, 512, 512)
SIDE = 4
"""Height and width of the map that the last layer takes: 32 pixels, halved three times."""


class VggSmall(nn.Module):
    """Six 3 × 3 convolutions, every second one pooled, and a linear layer; returns logits.

    Layers are named conv1 to conv6 and fc7; a normalisation has the number of the layer before it.
    No layer has a bias. A normalisation and ReLU always precede fc7, also with binary inputs.

    Args:
        width: Factor on the 128, 256 and 512 channels; rounded down. The published "wide" network
            with factor 10 has 1.25 here.
        num_classes: Outputs; 1 or more.
        norm: Which convolutions are normalised, after any pooling: the pooled ones, or all.
        affine: Normalisations have a weight and a bias.
        relu: Which convolutions are followed by ReLU, besides conv6: the first alone, as
            published, or all.

    Raises:
        SpecError: If no channel remains at this width, or `num_classes` is below 1.

    Source: the code published with arXiv:2103.09377, `VGG_Small`, `VGG_Small_bn_BinAct` and
        `Wide_VGG_Small`.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    takes: ClassVar[tuple[int, ...]] = (3, 32, 32)
    """Channels, height and width of the images."""

    def __init__(
        self,
        *,
        width: float = 1.0,
        num_classes: int = 10,
        norm: Literal["pooled", "all"] = "pooled",
        affine: bool = False,
        relu: Literal["first", "all"] = "first",
    ) -> None:
        super().__init__()
        if not int(CHANNELS[0] * width) >= 1:
            raise SpecError(Fault("width", f"leaves no channel, got {width}"))
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        self.followed_by_relu = (1,) if relu == "first" else tuple(range(1, len(CHANNELS)))
        before = 3
        for number, full in enumerate(CHANNELS, start=1):
            channels = int(full * width)
            self.add_module(f"conv{number}", nn.Conv2d(before, channels, 3, padding=1, bias=False))
            if norm == "all" or number % 2 == 0:
                self.add_module(f"bn{number}", nn.BatchNorm2d(channels, affine=affine))
            before = channels
        self.fc7 = Linear(before * SIDE**2, num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of shape (batch, 3, 32, 32)."""
        x = images
        for number in range(1, len(CHANNELS) + 1):
            layer = self.get_submodule(f"conv{number}")
            if number - 1 in self.followed_by_relu:
                x = relu_before(layer, x)
            x = layer(x)
            if number % 2 == 0:
                x = functional.max_pool2d(x, 2)
            if hasattr(self, f"bn{number}"):
                x = self.get_submodule(f"bn{number}")(x)
        logits: Tensor = self.fc7(relu_before(self.fc7, x).flatten(1))
        return logits

    def activated(self) -> tuple[str, ...]:
        """Returns the layers with binary inputs in the published code: all but first and last."""
        return tuple(f"conv{number}" for number in range(2, len(CHANNELS) + 1))
