"""Residual blocks, and the network built from stages of them."""

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeVar

from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.linear import Linear
from trainers.models.relu import relu_before

Ordering = Literal["v1", "v2", "v2_twice"]
Shortcut = Literal["pad", "conv"]
Stride = TypeVar("Stride")


class BasicBlock(nn.Module):
    """ReLU, then two normalised 3 × 3 convolutions with ReLU between them, plus the input.

    ReLU comes first in the block instead of last. If the block's input is binarized, the sign
    replaces this ReLU, for the shortcut too.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output.
        stride: 2 halves the image in both directions; None: 2 where the number of channels
            changes, else 1.
        shortcut: How the shortcut adapts the input where channels or size change. pad: takes every
            second pixel and adds equally many zero channels in front and behind, without
            parameters (option A; `num_out` - `num_in` is even). conv: a normalised 1 × 1
            convolution (option B), registered last: the paper counts it after conv2.
        ordering: v1: the second normalisation comes before the addition; v2: after it; v2_twice:
            both before and after it.
        affine: Normalisations have a weight and a bias.

    Source: He et al. 2015, arXiv:1512.03385, sec. 3.3 and 4.2; v2 and v2_twice: the code published
        with arXiv:2103.09377.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        stride: int | None = None,
        shortcut: Shortcut = "pad",
        ordering: Ordering = "v1",
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride or (1 if num_in == num_out else 2)
        self.padding = (num_out - num_in) // 2 if shortcut == "pad" else 0
        self.ordering = ordering
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out, affine=affine)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out, affine=affine)
        self.downsample: nn.Sequential | None = None
        if shortcut == "conv" and (self.stride != 1 or num_in != num_out):
            self.downsample = _projection(num_in, num_out, stride=self.stride, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height / stride, width / stride), of x, (batch, in, height, width).

        An odd height or width is rounded up.
        """
        x = relu_before(self, x)
        residual = relu_before(self.conv2, self.bn1(self.conv1(x)))
        residual = self.conv2(residual)
        if self.ordering != "v2":
            residual = self.bn2(residual)
        result = self._shortcut(x) + residual
        return result if self.ordering == "v1" else _applied(self.bn2, result)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.downsample is not None:
            fitted: Tensor = self.downsample(x)
            return fitted
        if self.padding:
            x = x[:, :, :: self.stride, :: self.stride]
            return functional.pad(x, (0, 0, 0, 0, self.padding, self.padding))
        return x


class Bottleneck(nn.Module):
    """ReLU, then a 1 × 1, a 3 × 3 and a 1 × 1 convolution, all normalised, plus the input.

    Args:
        num_in: Channels of the input.
        num_out: Channels of the output.
        inside: Channels of the 3 × 3 convolution.
        stride: Stride of the 3 × 3 convolution; 2 halves the image in both directions.
        ordering: What follows the addition. v1: nothing; v2: a fourth normalisation; v2_twice: the
            third normalisation again.
        affine: Normalisations have a weight and a bias.

    Source: He et al. 2015, arXiv:1512.03385, sec. 4.1; stride placed as in torchvision. v2: the
        code published with arXiv:2103.09377.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        inside: int,
        stride: int,
        ordering: Ordering = "v1",
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside, affine=affine)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside, affine=affine)
        self.conv3 = nn.Conv2d(inside, num_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(num_out, affine=affine)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or num_in != num_out:
            self.downsample = _projection(num_in, num_out, stride=stride, affine=affine)
        self.bn4: nn.BatchNorm2d | None = None
        if ordering == "v2":
            self.bn4 = nn.BatchNorm2d(num_out, affine=affine)
        self.ordering = ordering

    def forward(self, x: Tensor) -> Tensor:
        """Output, (batch, out, height / stride, width / stride), of x, (batch, in, height, width).

        An odd height or width is rounded up.
        """
        x = relu_before(self, x)
        residual = self.conv2(relu_before(self.conv2, self.bn1(self.conv1(x))))
        residual = self.bn3(self.conv3(relu_before(self.conv3, self.bn2(residual))))
        result: Tensor = (x if self.downsample is None else self.downsample(x)) + residual
        if self.bn4 is not None:
            result = self.bn4(result)
        return _applied(self.bn3, result) if self.ordering == "v2_twice" else result


class GlobalMean(nn.Module):
    """Mean over the image; a module, so that its input can be binarized."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns means, (batch, channels), for x, (batch, channels, height, width)."""
        return x.mean((2, 3))


class ResNet(nn.Module):
    """A convolution, residual stages, the mean over the image, a linear layer; returns logits.

    Args:
        stem: The first convolution.
        stages: Names and blocks of the stages.
        num_classes: Outputs; 1 or more.
        stem_pool: Pooling after bn1; None: no pooling.
        pools_first: Pool before bn1.
        affine: bn1 has a weight and a bias.
        bias: The last layer has a bias.

    Raises:
        SpecError: If `num_classes` is below 1.
    """

    takes: ClassVar[tuple[int | None, ...]] = (3, None, None)
    """Channels, height and width of the images; None: any."""

    def __init__(
        self,
        *,
        stem: nn.Conv2d,
        stages: Sequence[tuple[str, nn.Sequential]],
        num_classes: int,
        stem_pool: nn.Module | None = None,
        pools_first: bool = False,
        affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise SpecError(Fault("num_classes", f"must be 1 or more, got {num_classes}"))
        self.conv1 = stem
        self.bn1 = nn.BatchNorm2d(stem.out_channels, affine=affine)
        self.stem_pool = stem_pool
        self.pools_first = pools_first
        self.stages = tuple(name for name, _ in stages)
        for name, blocks in stages:
            self.add_module(name, blocks)
        self.pool: nn.Module = GlobalMean()
        last = stages[-1][1][-1]
        assert isinstance(last, BasicBlock | Bottleneck)
        width = last.bn3.num_features if isinstance(last, Bottleneck) else last.bn2.num_features
        self.fc = Linear(width, num_classes, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of shape (batch, 3, height, width)."""
        x = self.conv1(images)
        if self.stem_pool is not None and self.pools_first:
            x = self.stem_pool(x)
        x = self.bn1(x)
        if self.stem_pool is not None and not self.pools_first:
            # Pool before ReLU, which the first block applies: max and ReLU commute.
            x = self.stem_pool(x)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        x = relu_before(self.pool, x)
        return self.classified(self.pool(x))

    def classified(self, pooled: Tensor) -> Tensor:
        """Returns the logits of pooled features, (batch, channels)."""
        logits: Tensor = self.fc(pooled)
        return logits

    def activated(self) -> tuple[str, ...]:
        """Returns the names of the modules whose input comes from ReLU; blocks are among them."""
        places: list[str] = []
        for name in self.stages:
            stage = self.get_submodule(name)
            assert isinstance(stage, nn.Sequential)
            for number, block in enumerate(stage):
                inner = ("conv2", "conv3") if isinstance(block, Bottleneck) else ("conv2",)
                places += [f"{name}.{number}", *(f"{name}.{number}.{layer}" for layer in inner)]
        return (*places, "pool")


def _applied(module: nn.Module, x: Tensor) -> Tensor:
    result: Tensor = module(x)
    return result


def _projection(num_in: int, num_out: int, *, stride: int, affine: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, 1, stride=stride, bias=False),
        nn.BatchNorm2d(num_out, affine=affine),
    )


def _begins_with(
    num_in: int, stride: Stride, num_out: int, num_blocks: int
) -> list[tuple[int, Stride | int]]:
    """Returns each block's input channels and stride; only the first block changes them."""
    return [(num_in, stride)] + [(num_out, 1)] * (num_blocks - 1)


def basic_stage(
    num_in: int,
    num_out: int,
    num_blocks: int,
    *,
    stride: int | None = None,
    shortcut: Shortcut = "pad",
    ordering: Ordering = "v1",
    affine: bool = True,
) -> nn.Sequential:
    """A stage of two-convolution blocks; the first block changes channels and size."""
    return nn.Sequential(
        *(
            BasicBlock(
                width, num_out, stride=step, shortcut=shortcut, ordering=ordering, affine=affine
            )
            for width, step in _begins_with(num_in, stride, num_out, num_blocks)
        )
    )


def bottleneck_stage(
    num_in: int,
    num_out: int,
    num_blocks: int,
    *,
    inside: int,
    stride: int,
    ordering: Ordering = "v1",
    affine: bool = True,
) -> nn.Sequential:
    """A stage of three-convolution blocks; the first block changes channels and size."""
    return nn.Sequential(
        *(
            Bottleneck(
                width, num_out, inside=inside, stride=step, ordering=ordering, affine=affine
            )
            for width, step in _begins_with(num_in, stride, num_out, num_blocks)
        )
    )


NUM_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Blocks in each of the four stages, by depth (layers with weights)."""
BASIC = (18, 34)


def four_stages(
    depth: int,
    *,
    names: str,
    width: float,
    bottleneck_width: int,
    ordering: Ordering,
    affine: bool,
) -> tuple[tuple[str, nn.Sequential], ...]:
    """Four stages of 64, 128, 256 and 512 channels; four times as many with bottlenecks.

    Args:
        depth: 18 or 34 (blocks of two convolutions), 50 or 101 (bottlenecks).
        names: Prefix of the stage names; the stage number follows.
        width: Factor on the channels of all stages but the first.
        bottleneck_width: Channels inside the bottlenecks of the first stage.
        ordering: Order of normalisation and addition in the blocks.
        affine: Normalisations have a weight and a bias.

    Raises:
        SpecError: If `width` or `bottleneck_width` is not allowed.
    """
    if not width > 0:
        raise SpecError(Fault("width", f"must be positive, got {width}"))
    if bottleneck_width != 64 and depth in BASIC:
        what = f"is for bottlenecks: depth {depth} has none"
        raise SpecError(Fault("bottleneck_width", what, "leave it out, or take depth 50 or 101"))
    if bottleneck_width < 1:
        what = f"must be 1 or more, got {bottleneck_width}"
        raise SpecError(Fault("bottleneck_width", what))
    stages: list[tuple[str, nn.Sequential]] = []
    num_in = 64
    for number, num_blocks in enumerate(NUM_BLOCKS[depth]):
        channels = 64 if number == 0 else int(64 * 2**number * width)
        if depth in BASIC:
            stage = basic_stage(
                num_in,
                channels,
                num_blocks,
                stride=1 if number == 0 else 2,
                shortcut="conv",
                ordering=ordering,
                affine=affine,
            )
            num_in = channels
        else:
            stage = bottleneck_stage(
                num_in,
                4 * channels,
                num_blocks,
                inside=channels * bottleneck_width // 64,
                stride=1 if number == 0 else 2,
                ordering=ordering,
                affine=affine,
            )
            num_in = 4 * channels
        stages.append((f"{names}{number + 1}", stage))
    return tuple(stages)
