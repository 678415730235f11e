"""Network in network for 32 × 32 images, as published beside distribution-aware weights."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from trainers.models.chain import inner_layers
from trainers.models.forms import Form, FormedNet, changed, check_counts
from trainers.models.units import normalised

SHAPES = ((192, 5), (160, 1), (96, 1), (192, 5), (192, 1), (192, 1), (192, 3), (192, 1))
"""Channels and kernel of each convolution but the last."""
DROPPING = (4, 7)
"""Convolutions that drop values of their input; pooling comes before them."""
INNER = inner_layers(len(SHAPES) + 1)
EPS = 1e-4


class DropConv2d(nn.Conv2d):
    """A convolution that drops values of its input; of a binary input, behind the sign.

    A dropped value is 0 then, as it was published, instead of the sign of 0.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output.
        kernel: Height and width of the kernel; the image keeps its size if it is odd.
        dropout: Share of values that are dropped.
    """

    def __init__(self, num_in: int, num_out: int, kernel: int, *, dropout: float) -> None:
        super().__init__(num_in, num_out, kernel, padding=kernel // 2)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height, width), of x, (batch, in, height, width)."""
        return super().forward(functional.dropout(x, self.dropout, self.training))


class Nin(FormedNet):
    """Nine convolutions, 1 × 1 between larger ones, and the mean over the image; returns logits.

    Convolutions of 192 (5 × 5), 160, 96 (1 × 1), 192 (5 × 5), 192, 192 (1 × 1), 192 (3 × 3), 192
    and the classes (1 × 1), all with a bias. conv1 is normalised behind, all others in front; bn1
    and bn9 have neither weight nor bias. 3 × 3 max pooling with stride 2 comes before conv4,
    average pooling of that size before conv7; both convolutions drop values of their input. ReLU
    follows every convolution, also the last, so no logit is negative. Layers are named conv1 to
    conv9. In the published network inputs of conv2 to conv8 are binary: `activations` of all
    layers binarizes these. The published code applies log-softmax to the logits.

    Args:
        dropout: Share of values dropped; None: 0.5, as published.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, of any size (published: 32 × 32); 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Lin et al. 2014, arXiv:1312.4400; code of Prabhu et al. 2018, WACV: `nin`, after
        Rastegari et al. 2016, arXiv:1603.05279.
    Where we differ: the mean of the whole map, which is that of 8 × 8 at the published size.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self, *, dropout: float | None = None, num_classes: int = 10, in_channels: int = 3
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        super().__init__(
            changed(Form(norm_before=INNER, dropout=0.5), INNER, dropout=dropout), INNER
        )
        self.takes = (in_channels, None, None)
        num_in = in_channels
        for number, (channels, kernel) in enumerate(SHAPES, start=1):
            conv = (
                DropConv2d(num_in, channels, kernel, dropout=self.form.dropout)
                if number in DROPPING
                else nn.Conv2d(num_in, channels, kernel, padding=kernel // 2)
            )
            self.add_module(f"conv{number}", conv)
            norm = (
                nn.BatchNorm2d(channels, eps=EPS, affine=False)
                if number == 1
                else nn.BatchNorm2d(num_in, eps=EPS)
            )
            self.add_module(f"bn{number}", norm)
            num_in = channels
        self.conv9 = nn.Conv2d(num_in, num_classes, 1)
        self.bn9 = nn.BatchNorm2d(num_in, eps=EPS, affine=False)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, height, width).

        Raises:
            SpecError: If the images have another number of channels.
        """
        self.check_images(images)
        x: Tensor = self.get_submodule("bn1")(self.get_submodule("conv1")(images))
        for number in range(2, len(SHAPES) + 2):
            if number == 4:
                x = functional.max_pool2d(x, 3, 2, padding=1)
            if number == 7:
                # A mean does not commute with ReLU, so it stands behind it.
                x = functional.avg_pool2d(x.relu(), 3, 2, padding=1)
            conv, norm = (self.get_submodule(f"{kind}{number}") for kind in ("conv", "bn"))
            x = normalised(conv, norm, x, norm_first=True)
        return x.relu().mean((2, 3))
