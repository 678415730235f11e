"""Bi-Real ResNets for binary weights and inputs, with the blocks of the training tricks."""

from typing import ClassVar, Literal

from torch import Tensor, nn

from trainers.errors import Fault, SpecError
from trainers.models.bireal_blocks import (
    BasicBlock,
    BlockOptions,
    Bottleneck,
    Downsample,
    Order,
    Unit,
)
from trainers.models.linear import Linear
from trainers.models.residual import BASIC, NUM_BLOCKS, GlobalMean

CHANNELS = (64, 128, 256, 512)
DEPTHS = (18, 34, 50)
REDUCTION = 16


class BirealResNet(nn.Module):
    """A convolution, four stages of blocks for binary inputs, the mean, a linear layer; logits.

    Stages have 64, 128, 256 and 512 channels, four times as many with bottlenecks; all but the
    first halve the image first. Only the convolutions of the blocks are meant to be binary: their
    inputs are those that `activations: {layers: all}` takes. The first convolution, shortcuts and
    the last layer are registered too, and binary only if a study names them. Layers are named
    conv1, layer1.0.unit1.conv, layer1.0.unit2.conv, ..., layer2.0.shortcut.conv, ..., fc.

    Each published trick is an option; block: bireal, activation: none, double_skip: false,
    downsample: strided together are a residual network without any of them.

    Args:
        depth: 18 or 34 (blocks of two convolutions), or 50 (bottlenecks).
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images; 1 or more.
        head: cifar: a 3 × 3 convolution; imagenet: 7 × 7 with stride 2, and 3 × 3 max pooling.
        block: tricks: each convolution is normalised before the sign; bireal: after itself.
        activation: prelu: after each addition, one slope a channel; none.
        prelu_init: First slope of negative numbers.
        prelu_at: For depth 50: the blocks with an activation; branch: those whose shortcut has a
            convolution, as published; all.
        double_skip: Each 3 × 3 convolution has a skip of its own.
        downsample: Shortcut that changes the number of channels; see
            `trainers.models.bireal_blocks.shortcut`.
        attention: se: weighs the channels of each 3 × 3 convolution by squeeze and excitation of
            its real input; none.
        attention_reduction: Input channels for each hidden unit of the attention; 1 or more.
        width_factor: Factor on all channels; rounded down.
        groups: Groups of the 3 × 3 convolutions in blocks; divides their channels.

    Raises:
        SpecError: If an option is out of range, has no effect with the others, or leaves no whole
            group of channels.

    Source: Liu et al. 2018, Bi-Real Net, arXiv:1808.00278;
        HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, tricks 1 to 4, 13 and 15.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        depth: int = 18,
        num_classes: int = 10,
        in_channels: int = 3,
        head: Literal["cifar", "imagenet"] = "cifar",
        block: Order = "tricks",
        activation: Literal["prelu", "none"] = "prelu",
        prelu_init: float = 0.25,
        prelu_at: Literal["branch", "all"] = "branch",
        double_skip: bool = True,
        downsample: Downsample = "v1",
        attention: Literal["none", "se"] = "none",
        attention_reduction: int = REDUCTION,
        width_factor: float = 1.0,
        groups: int = 1,
    ) -> None:
        super().__init__()
        faults = _out_of_range(
            num_classes=num_classes,
            in_channels=in_channels,
            attention_reduction=attention_reduction,
            groups=groups,
        )
        if depth not in DEPTHS:
            faults.append(Fault("depth", f"must be one of 18, 34, 50, got {depth}"))
        if activation == "none" and (prelu_init != 0.25 or prelu_at != "branch"):
            name = "prelu_init" if prelu_init != 0.25 else "prelu_at"
            faults.append(Fault(name, "there is no PReLU", "set activation: prelu"))
        elif prelu_at != "branch" and depth in BASIC:
            faults.append(Fault("prelu_at", f"is for bottlenecks: depth {depth} has none"))
        if attention == "none" and attention_reduction != REDUCTION:
            faults.append(
                Fault("attention_reduction", "there is no attention", "set attention: se")
            )
        if not int(CHANNELS[0] * width_factor) >= 1:
            faults.append(Fault("width_factor", f"leaves no channel, got {width_factor}"))
        widths = [int(channels * width_factor) for channels in CHANNELS if width_factor > 0]
        if groups > 0 and (odd := [width for width in widths if width % groups]):
            what = f"must divide the channels of all blocks, but {odd[0]} / {groups} is not whole"
            faults.append(Fault("groups", what))
        if faults:
            raise SpecError(*faults)
        # Declares the input shape, so no forward pass is needed to check a data set against it.
        self.takes = (in_channels, None, None)
        self.has_stem_pool = head == "imagenet"
        size, stride = (7, 2) if self.has_stem_pool else (3, 1)
        self.conv1 = nn.Conv2d(
            in_channels, widths[0], size, stride=stride, padding=size // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stem_pool = nn.MaxPool2d(3, stride=2, padding=1) if self.has_stem_pool else None
        options = BlockOptions(
            order=block,
            prelu=prelu_init if activation == "prelu" else None,
            prelu_everywhere=prelu_at == "all",
            double_skip=double_skip,
            downsample=downsample,
            reduction=attention_reduction if attention == "se" else None,
            groups=groups,
        )
        num_out = self._add_stages(depth, widths, options)
        self.pool = GlobalMean()
        self.fc = Linear(num_out, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (batch, classes), of images of shape (batch, channels, height, width)."""
        x = self.bn1(self.conv1(images))
        if self.stem_pool is not None:
            x = self.stem_pool(x)
        for number in range(1, len(CHANNELS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        logits: Tensor = self.fc(self.pool(x))
        return logits

    def activated(self) -> tuple[str, ...]:
        """Returns the convolutions of the blocks, whose input is a sign or ReLU."""
        units = [name for name, module in self.named_modules() if isinstance(module, Unit)]
        return tuple(f"{name}.conv" for name in units)

    def _add_stages(self, depth: int, widths: list[int], options: BlockOptions) -> int:
        """Adds layer1 to layer4; returns the channels of the last one."""
        kind = BasicBlock if depth in BASIC else Bottleneck
        num_in = widths[0]
        for number, (width, num_blocks) in enumerate(
            zip(widths, NUM_BLOCKS[depth], strict=True), start=1
        ):
            stage = nn.Sequential()
            for index in range(num_blocks):
                stride = 2 if number > 1 and index == 0 else 1
                block = kind(num_in, width, stride=stride, options=options)
                stage.append(block)
                num_in = block.num_out
            self.add_module(f"layer{number}", stage)
        return num_in


def _out_of_range(**numbers: int) -> list[Fault]:
    return [
        Fault(name, f"must be 1 or more, got {number}")
        for name, number in numbers.items()
        if number < 1
    ]
