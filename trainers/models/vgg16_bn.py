"""VGG-16 with batch normalisation and dropout for 32 × 32 images."""

from torch import Tensor, nn
from torch.nn import functional

from trainers.errors import Fault, SpecError
from trainers.models.forms import Form, FormedNet, check_counts
from trainers.models.linear import Linear
from trainers.models.relu import relu_before
from trainers.models.units import normalised

GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the convolutions before each pooling."""


class Vgg16Bn(FormedNet):
    """Thirteen 3 × 3 convolutions in five groups, each group pooled, and a linear layer; logits.

    All convolutions have a bias and are normalised. Whole channels are dropped between the
    convolutions of a group, except in the first; values before the linear layer. Layers are named
    conv1 to conv13 and fc14, their normalisations bn1 to bn13. The published code takes the NLL of
    the raw logits, without log-softmax; with cross entropy this network is trained as one would
    expect.

    Args:
        dropout: Share of channels dropped between convolutions; 0 or more, below 1.
        last_dropout: Share of values dropped before fc14; 0 or more, below 1.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, 32 × 32 pixels; 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Simonyan & Zisserman 2015, arXiv:1409.1556, configuration D; code of Prabhu et al.
        2018, WACV: `vgg16_bncifar`.
    """

    def __init__(
        self,
        *,
        dropout: float = 0.3,
        last_dropout: float = 0.4,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        shares = {"dropout": dropout, "last_dropout": last_dropout}
        faults = [
            Fault(name, f"must be 0 or more and below 1, got {share}")
            for name, share in shares.items()
            if not 0 <= share < 1
        ]
        if faults:
            raise SpecError(*faults)
        depth = sum(num for _, num in GROUPS)
        super().__init__(
            Form(dropout=dropout), [f"conv{number}" for number in range(2, depth + 1)]
        )
        self.takes = (in_channels, 32, 32)
        self.last_dropout = last_dropout
        number, num_in = 0, in_channels
        for channels, num in GROUPS:
            for _ in range(num):
                number += 1
                self.add_module(f"conv{number}", nn.Conv2d(num_in, channels, 3, padding=1))
                self.add_module(f"bn{number}", nn.BatchNorm2d(channels))
                num_in = channels
        self.fc14 = Linear(num_in, num_classes)
        self.begin()

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, (batch, classes), of images of shape (batch, channels, 32, 32).

        Raises:
            SpecError: If the images have another shape.
        """
        self.check_images(images)
        x, number = images, 0
        for group, (_, num) in enumerate(GROUPS):
            for place in range(num):
                number += 1
                conv, norm = (self.get_submodule(f"{kind}{number}") for kind in ("conv", "bn"))
                if place and group:
                    x = functional.dropout2d(x, self.form.dropout, self.training)
                x = norm(conv(x)) if number == 1 else normalised(conv, norm, x)
            x = functional.max_pool2d(x, 2)
        x = functional.dropout(x.flatten(1), self.last_dropout, self.training)
        logits: Tensor = self.fc14(relu_before(self.fc14, x))
        return logits
