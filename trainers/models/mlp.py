"""Multi-layer perceptrons with batch normalisation, including the networks "300" and "784"."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from trainers.errors import SpecError
from trainers.models.linear import Linear


class Mlp(nn.Module):
    """Linear layers with batch normalisation after each and ReLU between them; returns logits.

    Layers are named fc1, fc2, ...; their normalisations bn1, bn2, ... The last layer is
    normalised too, as in the published networks. The input is flattened.

    Args:
        widths: Number of inputs, hidden units of each layer, number of classes; two numbers make
            one layer, each further number adds a hidden layer. The published networks: 784, 300,
            100, 10 and 784, 784, 784, 10 (which the original's README calls "784-100-10").
        norm: False: no batch normalisation.
        bias: False: the layers have no bias.

    Raises:
        SpecError: If there are fewer than two widths, or one is not positive.

    Source: arXiv:2111.07046, sec. 4.1.
    """

    def __init__(self, *, widths: Sequence[int], norm: bool = True, bias: bool = True) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise SpecError(f"widths must be two positive numbers or more, got {list(widths)}")
        self.depth = len(widths) - 1
        for number, (num_in, num_out) in enumerate(pairwise(widths), start=1):
            self.add_module(f"fc{number}", Linear(num_in, num_out, bias=bias))
            if norm:
                self.add_module(f"bn{number}", nn.BatchNorm1d(num_out))

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), for images of shape (batch, ...)."""
        x = images.flatten(1)
        for number, layer in enumerate(self.children()):
            if isinstance(layer, nn.Linear) and number:
                # In place is safe: the gradient of a normalisation needs its input, not its
                # output.
                x = x if getattr(layer, "input_is_binary", False) else x.relu_()
            x = layer(x)
        return x
