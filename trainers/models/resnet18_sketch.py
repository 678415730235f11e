"""ResNet-18 for sketches, as published with distribution-aware weights."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from trainers.models.forms import Form, FormedNet, changed, check_counts
from trainers.models.units import normalised

CHANNELS = (64, 128, 256, 512)


def _block_layers(stage: int, block: int) -> tuple[str, ...]:
    name = f"layer{stage}.{block}"
    shortcut = (f"{name}.downsample.0",) if stage > 1 and block == 0 else ()
    return (f"{name}.conv1", f"{name}.conv2", *shortcut)


INNER = tuple(
    layer for stage in (1, 2, 3, 4) for block in (0, 1) for layer in _block_layers(stage, block)
)
"""Convolutions 2 to 20 in the published numbering, in which shortcuts come last in their block."""

ResNet18Form = Literal["float", "fbin", "hybrid", "v2", "v3"]
FORMS: Mapping[str, Form] = {
    "float": Form(),
    "fbin": Form(norm_before=INNER),
    "hybrid": Form(norm_before=INNER[:17]),
    "v2": Form(norm_before=INNER[:12]),
    "v3": Form(norm_before=(INNER[0], *INNER[2:7], *INNER[9:12])),
}


class SketchBlock(nn.Module):
    """ReLU, then two normalised 3 × 3 convolutions with ReLU between them, plus the input.

    ReLU comes first in the block instead of last. A convolution whose input is binary takes the
    sign of its own; the shortcut keeps what ReLU gives.

    Args:
        name: Name of the module in the network.
        num_in: Channels of the input.
        num_out: Channels of the output; if there are more, the first convolution and the shortcut,
            a normalised 1 × 1 convolution, halve the image.
        form: The network's form.
    """

    def __init__(self, name: str, num_in: int, num_out: int, form: Form) -> None:
        super().__init__()
        stride = 1 if num_in == num_out else 2
        self.first = {
            layer: f"{name}.{layer}" in form.norm_before
            for layer in ("conv1", "conv2", "downsample.0")
        }
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_in if self.first["conv1"] else num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)
        self.downsample: nn.Sequential | None = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(num_in, num_out, 1, stride=stride, bias=False),
                nn.BatchNorm2d(num_in if self.first["downsample.0"] else num_out),
            )

    def forward(self, x: Tensor, skipped: Tensor | None = None) -> Tensor:
        """Output before ReLU, (batch, out, height / stride, width / stride).

        Args:
            x: Input before ReLU, (batch, in, height, width).
            skipped: What the shortcut takes instead of x, of its shape and before ReLU.
        """
        residual = normalised(self.conv1, self.bn1, x, norm_first=self.first["conv1"])
        residual = normalised(self.conv2, self.bn2, residual, norm_first=self.first["conv2"])
        skipped = x if skipped is None else skipped
        if self.downsample is None:
            return residual + skipped.relu()
        conv, norm = self.downsample
        return residual + normalised(conv, norm, skipped, norm_first=self.first["downsample.0"])


class ResNet18Sketch(FormedNet):
    """ResNet-18 for grey sketches: a convolution, eight blocks, a 1 × 1 convolution; logits.

    The first convolution has 64 channels (7 × 7, stride 2), followed by 3 × 3 max pooling with
    stride 2. The stages have 64, 128, 256 and 512 channels and two blocks each; all but the first
    halve the image. The mean over the image follows, and a 1 × 1 convolution as the classifier. No
    convolution has a bias. Layers are named conv1, layer1.0.conv1, layer1.0.conv2, ...,
    layer2.0.downsample.0, ..., fc. The published code applies log-softmax to the logits.

    Args:
        form: float, which was published for binary weights too; fbin for binary inputs; in hybrid
            inputs of the last block stay real, in v2 those of the second block of the third stage
            and of the whole fourth, in v3 those of convolutions 3, 9 and 10 too.
        norm_before: Layers normalised in front instead of behind, for binary inputs; None: those
            of the form. `activations` of all layers then binarizes these.
        compat: The second block takes the output of the stem, and that of the first block reaches
            only its shortcut, as in the published hybrids.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, of any size (published: 224 × 224); 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: He et al. 2015, arXiv:1512.03385, table 1; code of Prabhu et al. 2018, WACV:
        `resnetwbin18`, `resnetfbin18`, `resnethybrid18`, `resnethybridv218`, `resnethybridv318`.
    Where we differ: without `compat` the hybrids are wired as ResNet-18 is.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        form: ResNet18Form = "float",
        norm_before: Sequence[str] | None = None,
        compat: bool = False,
        num_classes: int = 250,
        in_channels: int = 1,
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        made = changed(FORMS[form], INNER, norm_before=norm_before)
        super().__init__(made, INNER)
        self.takes = (in_channels, None, None)
        self.compat = compat
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        num_in = 64
        for stage, channels in enumerate(CHANNELS, start=1):
            blocks = nn.Sequential()
            for block in range(2):
                name = f"layer{stage}.{block}"
                blocks.add_module(str(block), SketchBlock(name, num_in, channels, made))
                num_in = channels
            self.add_module(f"layer{stage}", blocks)
        self.fc = nn.Conv2d(num_in, num_classes, 1, bias=False)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, height, width).

        Raises:
            SpecError: If the images have another number of channels.
        """
        self.check_images(images)
        # Pool before ReLU, which the first block applies: max and ReLU commute.
        x = functional.max_pool2d(self.bn1(self.conv1(images)), 3, 2, padding=1)
        stem = x
        for stage in range(1, len(CHANNELS) + 1):
            for number, block in enumerate(self.get_submodule(f"layer{stage}").children()):
                is_misfed = self.compat and (stage, number) == (1, 1)
                x = block(stem, skipped=x) if is_misfed else block(x)
        logits: Tensor = self.fc(x.relu().mean((2, 3), keepdim=True)).flatten(1)
        return logits
