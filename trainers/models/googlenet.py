"""GoogLeNet with batch normalisation, as published with distribution-aware weights."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.models.forms import Form, FormedNet, changed, check_counts
from trainers.models.linear import Linear
from trainers.models.units import Unit

INCEPTIONS: Mapping[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 204, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 48, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Output channels of the six convolutions of each inception, in the order of `LAYERS`."""
LAYERS = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
INNER = (
    "conv2.conv",
    "conv3.conv",
    *(f"inception{name}.{layer}.conv" for name in INCEPTIONS for layer in LAYERS),
)

GoogLeNetForm = Literal["float", "wbin", "fbin"]
FORMS: Mapping[str, Form] = {
    "float": Form(),
    "wbin": Form(unbiased=INNER),
    "fbin": Form(unbiased=INNER, norm_before=INNER, dropout=0.4),
}


class Inception(nn.Module):
    """Four branches side by side: 1 × 1; 1 × 1 and 3 × 3; 1 × 1 and 5 × 5; pooling and 1 × 1.

    Args:
        name: Name of the module in the network.
        num_in: Channels of the input.
        channels: Output channels of the six convolutions.
        form: The network's form.
    """

    def __init__(self, name: str, num_in: int, channels: Sequence[int], form: Form) -> None:
        super().__init__()
        one, reduced3, three, reduced5, five, pooled = channels
        self.branch1 = Unit(f"{name}.branch1", num_in, one, 1, form=form)
        self.branch2 = nn.Sequential(
            Unit(f"{name}.branch2.0", num_in, reduced3, 1, form=form),
            Unit(f"{name}.branch2.1", reduced3, three, 3, padding=1, form=form),
        )
        self.branch3 = nn.Sequential(
            Unit(f"{name}.branch3.0", num_in, reduced5, 1, form=form),
            Unit(f"{name}.branch3.1", reduced5, five, 5, padding=2, form=form),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            Unit(f"{name}.branch4.1", num_in, pooled, 1, form=form),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Output before ReLU, (batch, channels, height, width), of an input before ReLU."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(FormedNet):
    """GoogLeNet for grey sketches: three convolutions, nine inceptions, the mean, a linear layer.

    The three have 64 (7 × 7, stride 2), 64 (1 × 1) and 192 channels (3 × 3); only the first of
    them is normalised, unless the form puts a normalisation in front. 3 × 3 max pooling with
    stride 2 follows the first and the third, inception3b and inception4e. inception4a has 204
    channels where the paper has 208, as published. Layers are named conv1.conv, conv2.conv,
    conv3.conv, inception3a.branch1.conv, inception3a.branch2.0.conv, ..., fc, as in torchvision,
    whose third branches have 3 × 3 kernels. Returns logits; the published code applies
    log-softmax to them.

    Args:
        form: float; or as published: wbin for binary weights; fbin for binary inputs too.
        norm_before: Layers normalised in front instead of behind, for binary inputs; None: those
            of the form. `activations` of all layers then binarizes these.
        unbiased: Layers without a bias; None: those of the form.
        dropout: Share of values dropped before the linear layer; None: as much as the form.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, of any size (published: 224 × 224); 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Szegedy et al. 2015, arXiv:1409.4842; code of Prabhu et al. 2018, WACV: `googlenet`,
        `googlenetwbin`, `googlenetfbin`.
    Where we differ: the mean of the whole map, which is that of 7 × 7 at the published size.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        form: GoogLeNetForm = "float",
        norm_before: Sequence[str] | None = None,
        unbiased: Sequence[str] | None = None,
        dropout: float | None = None,
        num_classes: int = 250,
        in_channels: int = 1,
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        made = changed(
            FORMS[form], INNER, norm_before=norm_before, unbiased=unbiased, dropout=dropout
        )
        super().__init__(made, INNER)
        self.takes = (in_channels, None, None)
        self.conv1 = Unit(
            "conv1", in_channels, 64, 7, stride=2, padding=3, form=made, is_first=True
        )
        self.conv2 = Unit("conv2", 64, 64, 1, form=made, norm_behind=False)
        self.conv3 = Unit("conv3", 64, 192, 3, padding=1, form=made, norm_behind=False)
        num_in = 192
        for name, channels in INCEPTIONS.items():
            inception = f"inception{name}"
            self.add_module(inception, Inception(inception, num_in, channels, made))
            one, _, three, _, five, pooled = channels
            num_in = one + three + five + pooled
        self.fc = Linear(num_in, num_classes)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, height, width).

        Raises:
            SpecError: If the images have another number of channels.
        """
        self.check_images(images)
        x = functional.max_pool2d(self.conv1(images), 3, 2, padding=1)
        x = functional.max_pool2d(self.conv3(self.conv2(x)), 3, 2, padding=1)
        for name in INCEPTIONS:
            x = self.get_submodule(f"inception{name}")(x)
            if name in ("3b", "4e"):
                x = functional.max_pool2d(x, 3, 2, padding=0 if name == "3b" else 1)
        # The mean of a map needs ReLU before it; the linear layer's input has passed it then.
        x = functional.dropout(x.relu().mean((2, 3)), self.form.dropout, self.training)
        logits: Tensor = self.fc(x)
        return logits
