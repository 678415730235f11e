"""SqueezeNet with batch normalisation, as published with distribution-aware weights."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.models.forms import Form, FormedNet, changed, check_counts
from trainers.models.units import Unit, normalised

SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)
"""Channels behind the squeezing convolution of each Fire; each of the two expanding convolutions
has four times as many."""
POOLED = (3, 7)
"""Fires followed by pooling."""


def _layers(fires: Sequence[int], units: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"fire{fire}.{unit}.conv" for fire in fires for unit in units)


EXPAND = ("expand1x1", "expand3x3")
UNITS = ("squeeze", *EXPAND)
INNER = _layers(range(1, 9), UNITS)

SqueezeNetForm = Literal["float", "wbin", "fbin", "hybrid", "v2", "v3"]
FORMS: Mapping[str, Form] = {
    "float": Form(dropout=0.2),
    "wbin": Form(unbiased=INNER, dropout=0.2),
    "fbin": Form(unbiased=INNER, norm_before=INNER, dropout=0.2),
    "hybrid": Form(unbiased=INNER[3:], norm_before=INNER[3:], dropout=0.2),
    "v2": Form(unbiased=INNER[3:], norm_before=INNER[3:-3], dropout=0.2),
    "v3": Form(unbiased=INNER[3:], norm_before=_layers(range(2, 8), EXPAND), dropout=0.2),
}


class Fire(nn.Module):
    """A 1 × 1 convolution that squeezes channels; side by side a 1 × 1 and a 3 × 3 that expand.

    Args:
        name: Name of the module in the network.
        num_in: Channels of the input.
        squeezed: Channels behind the first convolution; there are eight times as many in the end.
        form: The network's form.
    """

    def __init__(self, name: str, num_in: int, squeezed: int, form: Form) -> None:
        super().__init__()
        wide = 4 * squeezed
        self.squeeze = Unit(f"{name}.squeeze", num_in, squeezed, 1, form=form)
        self.expand1x1 = Unit(f"{name}.expand1x1", squeezed, wide, 1, form=form)
        self.expand3x3 = Unit(f"{name}.expand3x3", squeezed, wide, 3, padding=1, form=form)

    def forward(self, x: Tensor) -> Tensor:
        """Output before ReLU, (batch, 8 × squeezed, height, width), of an input before ReLU."""
        x = self.squeeze(x)
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1)


class SqueezeNet(FormedNet):
    """SqueezeNet for grey sketches: a convolution, eight Fires, a 1 × 1 convolution, the mean.

    The first convolution has 96 channels (7 × 7, stride 2). 3 × 3 max pooling with stride 2, which
    rounds sizes up, follows it, fire3 and fire7. Values are dropped before the classifier, which
    has a bias and no normalisation; ReLU follows it, so no logit is negative. Layers are named
    stem.conv, fire1.squeeze.conv, fire1.expand1x1.conv, fire1.expand3x3.conv, ..., classifier.
    Returns logits; the published code applies log-softmax to them.

    Args:
        form: float; or as published: wbin for binary weights; fbin for binary inputs too; in
            hybrid inputs of the first Fire stay real, in v2 those of the last too, in v3 those of
            all squeezing convolutions too.
        norm_before: Layers normalised in front instead of behind, for binary inputs; None: those
            of the form. `activations` of all layers then binarizes these.
        unbiased: Layers without a bias; None: those of the form.
        dropout: Share of values dropped; None: 0.2, as published.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, of any size (published: 224 × 224); 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Iandola et al. 2016, arXiv:1602.07360; code of Prabhu et al. 2018, WACV: `squeezenet`,
        `squeezenetwbin`, `squeezenetfbin`, `squeezenethybrid`, `-v2`, `-v3`.
    Where we differ: the mean of the whole map, which is that of 13 × 13 at the published size.
    """

    def __init__(
        self,
        *,
        form: SqueezeNetForm = "float",
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
        self.stem = Unit("stem", in_channels, 96, 7, stride=2, form=made, is_first=True)
        num_in = 96
        for number, squeezed in enumerate(SQUEEZED, start=1):
            self.add_module(f"fire{number}", Fire(f"fire{number}", num_in, squeezed, made))
            num_in = 8 * squeezed
        self.classifier = nn.Conv2d(num_in, num_classes, 1)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, height, width).

        Raises:
            SpecError: If the images have another number of channels.
        """
        self.check_images(images)
        x = functional.max_pool2d(self.stem(images), 3, 2, ceil_mode=True)
        for number in range(1, len(SQUEEZED) + 1):
            x = self.get_submodule(f"fire{number}")(x)
            if number in POOLED:
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = functional.dropout(x, self.form.dropout, self.training)
        logits: Tensor = normalised(self.classifier, None, x).relu().mean((2, 3))
        return logits
