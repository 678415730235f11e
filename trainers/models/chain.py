"""Convolutions one after the other: AlexNet, SketchANet and the CIFAR network of DAB."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from trainers.models.forms import Form, FormedNet
from trainers.models.units import normalised


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A convolution of a chain, and what its input passes before it.

    Args:
        channels: Channels of the output.
        kernel: Height and width of the kernel.
        stride: Stride of the convolution.
        padding: Zeros at each side of the image.
        pool: Side of the max pooling before it, with stride 2; 0: none.
        drops: Whether whole channels of its input are dropped.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: int = 0
    drops: bool = False


def inner_layers(num_convs: int) -> tuple[str, ...]:
    """Returns the names of a chain's convolutions but the first and the last."""
    return tuple(f"conv{number}" for number in range(2, num_convs))


class Chain(FormedNet):
    """Convolutions one after the other, the last one a classifier of one pixel; returns logits.

    Layers are named conv1, conv2, ...; a layer's normalisation has its number: bn1, bn2, ...

    Args:
        steps: The convolutions but the last.
        size: Height and width of the images; one pixel remains for the last convolution.
        form: The form.
        num_classes: Outputs.
        in_channels: Channels of the images.
        norm_before: Layers that are normalised in front though their input may not turn binary;
            the last layer has a normalisation only if it is among them.
        last_drops: Whether values of the last convolution's input are dropped.
        relu_at_end: Whether ReLU follows the last convolution too.
    """

    def __init__(
        self,
        *,
        steps: Sequence[Step],
        size: int,
        form: Form,
        num_classes: int,
        in_channels: int,
        norm_before: Collection[str] = (),
        last_drops: bool = False,
        relu_at_end: bool = False,
    ) -> None:
        last = Step(channels=num_classes, kernel=1, drops=last_drops)
        super().__init__(form, inner_layers(len(steps) + 1))
        self.takes = (in_channels, size, size)
        self.steps = (*steps, last)
        self.relu_at_end = relu_at_end
        self.norm_first = frozenset((*form.norm_before, *norm_before))
        num_in = in_channels
        for number, step in enumerate(self.steps, start=1):
            name = f"conv{number}"
            conv = nn.Conv2d(
                num_in,
                step.channels,
                step.kernel,
                stride=step.stride,
                padding=step.padding,
                bias=name not in form.unbiased,
            )
            self.add_module(name, conv)
            if name in self.norm_first:
                self.add_module(f"bn{number}", nn.BatchNorm2d(num_in))
            elif step is not last:
                self.add_module(f"bn{number}", nn.BatchNorm2d(step.channels))
            num_in = step.channels
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of the size that the network takes.

        Raises:
            SpecError: If it does not take such images.
        """
        self.check_images(images)
        x: Tensor = self.get_submodule("bn1")(self.get_submodule("conv1")(images))
        for number, step in enumerate(self.steps[1:], start=2):
            if step.pool:
                x = functional.max_pool2d(x, step.pool, 2)
            if step.drops:
                x = functional.dropout2d(x, self.form.dropout, self.training)
            name = f"conv{number}"
            norm = self.get_submodule(f"bn{number}") if hasattr(self, f"bn{number}") else None
            x = normalised(self.get_submodule(name), norm, x, norm_first=name in self.norm_first)
        logits = x.flatten(1)
        return logits.relu() if self.relu_at_end else logits
