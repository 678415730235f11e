"""Conv-2, 4, 6 and 8: pairs of convolutions, each pair pooled, then linear layers."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.linear import Linear
from trainers.models.relu import relu_before

CHANNELS = (64, 128, 256, 512)
HIDDEN = (256, 256)


class Conv(nn.Module):
    """Pairs of 3 × 3 convolutions, each pair pooled, then three linear layers; returns logits.

    Convolutions keep the image size; 2 × 2 max pooling halves it. No layer has a bias. Names count
    the layers: conv1, conv2, fc3, ... Batch normalisations are bn1, bn2, ...; they come after the
    pooling, and the last layer has none.

    Args:
        depth: Number of convolutions: 2, 4, 6 or 8; two each of 64, 128, 256 and 512 channels.
        width: Factor on all widths except the number of classes; rounded down.
        num_classes: Outputs; 1 or more.
        norm: Normalise every layer but the last, as in the networks published for binary inputs;
            the published networks with ReLU have no normalisation.
        affine: Normalisations have a weight and a bias.
        in_channels: Channels of the images.
        image_size: Height and width of the images; large enough for `depth` / 2 poolings.

    Raises:
        SpecError: If depth, width or number of classes is not allowed, or the images are too
            small.

    Source: Frankle & Carbin 2019, arXiv:1803.03635, fig. 2; Ramanujan et al. 2020,
        arXiv:1911.13299; the variant with normalisation: code published with arXiv:2103.09377.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        depth: int,
        width: float = 1.0,
        num_classes: int = 10,
        norm: bool = False,
        affine: bool = False,
        in_channels: int = 3,
        image_size: int = 32,
    ) -> None:
        super().__init__()
        if depth not in (2, 4, 6, 8):
            raise SpecError(Fault("depth", f"must be 2, 4, 6 or 8, got {depth}"))
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        if in_channels < 1:
            raise SpecError(Fault("in_channels", f"must be 1 or more, got {in_channels}"))
        if not int(CHANNELS[0] * width) >= 1:
            raise SpecError(Fault("width", f"leaves no channel, got {width}"))
        side = image_size // 2 ** (depth // 2)
        if side < 1:
            what = f"must be {2 ** (depth // 2)} or more for {depth} convolutions"
            raise SpecError(Fault("image_size", f"{what}, got {image_size}"))
        if affine and not norm:
            raise SpecError(Fault("affine", "is for normalisations", "set norm: true too"))
        # Declares the input shape, so no forward pass is needed to check a data set against it.
        self.takes = (in_channels, image_size, image_size)
        self.num_convs = depth
        self.has_norm = norm
        before = in_channels
        for number in range(1, depth + 1):
            channels = int(CHANNELS[(number - 1) // 2] * width)
            self.add_module(f"conv{number}", nn.Conv2d(before, channels, 3, padding=1, bias=False))
            if norm:
                self.add_module(f"bn{number}", nn.BatchNorm2d(channels, affine=affine))
            before = channels
        before *= side**2
        for number, units in enumerate((*HIDDEN, 0), start=depth + 1):
            num_out = int(units * width) or num_classes
            self.add_module(f"fc{number}", Linear(before, num_out, bias=False))
            if norm and units:
                self.add_module(f"bn{number}", nn.BatchNorm1d(num_out, affine=affine))
            before = num_out

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of shape (batch, channels, size, size)."""
        x = images
        num_layers = self.num_convs + len(HIDDEN) + 1
        for number in range(1, num_layers + 1):
            is_conv = number <= self.num_convs
            layer = self.get_submodule(f"{'conv' if is_conv else 'fc'}{number}")
            if number > 1:
                x = relu_before(layer, x)
            x = layer(x if is_conv else x.flatten(1))
            if is_conv and number % 2 == 0:
                # Pool before ReLU, which the next layer applies: max and ReLU commute.
                x = functional.max_pool2d(x, 2)
            if self.has_norm and number < num_layers:
                x = self.get_submodule(f"bn{number}")(x)
        return x
