"""What a step must at least cost: its operations and bytes, and what cards do in a second."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarizers
from trainers.build import build_network
from trainers.data import SOURCES
from trainers.spec.train_spec import TrainSpec

PASSES = 5
"""How often a layer's output passes the memory at least: written, read by the next layer, read
again for the gradient of that layer's weight; its gradient written, and read."""

WEIGHT_PASSES = {"adam": 12, "sgd": 10}
"""The same for a weight that trains: read and written as binary, read by the layer in both
directions, its gradient written; then the optimizer reads and writes weight and state."""


@dataclass(frozen=True)
class Card:
    """Figures from the maker's data sheet, without sparsity.

    Args:
        name: Part of the name that torch says.
        flops: Operations a second in float32, TF32 and bfloat16.
        bandwidth: Bytes a second of its memory.
    """

    name: str
    flops: dict[str, float]
    bandwidth: float


CARDS = (
    Card("H200", {"float32": 67e12, "tf32": 494e12, "bfloat16": 989e12}, 4.8e12),
    Card("H100 80GB HBM3", {"float32": 67e12, "tf32": 494e12, "bfloat16": 989e12}, 3.35e12),
    Card("H100 PCIe", {"float32": 51e12, "tf32": 378e12, "bfloat16": 756e12}, 2.0e12),
    Card("A100-SXM4-80GB", {"float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12}, 2.039e12),
    Card("A100-SXM4-40GB", {"float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12}, 1.555e12),
)


def card_of(device: torch.device) -> Card | None:
    """The card's figures; None if it is not in the table."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((card for card in CARDS if card.name in name), None)


@dataclass(frozen=True)
class Work:
    """What one training step must do.

    Args:
        flops: Floating point operations: forward, and twice that backward.
        weight_bytes: Bytes of weights, gradients and the optimizer's state that are moved.
        activation_values: Numbers of the layers' outputs that are moved.
    """

    flops: float
    weight_bytes: float
    activation_values: float

    @classmethod
    def of(cls, spec: TrainSpec) -> "Work":
        """Counts it from the shapes of one image's forward pass on the CPU."""
        flops = values = 0.0

        def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal flops, values
            assert isinstance(layer.weight, Tensor)
            flops += 2 * output.numel() * layer.weight[0].numel()
            values += output.numel()

        network = build_network(spec, device=torch.device("cpu")).eval()
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.register_forward_hook(count)
        source = spec.data.source
        image = torch.zeros(1, *SOURCES[source.name].facts(source.options).shape)
        with torch.no_grad():
            network(image.to(next(network.parameters()).dtype))
        trained = sum(item.numel() for item in network.parameters() if item.requires_grad)
        given = sum(item.numel() for item in network.parameters() if not item.requires_grad)
        passes = WEIGHT_PASSES[spec.optimizer.name]
        # Weights under trained scores are read once more in either direction.
        moved = passes * trained + (2 * given if any(binarizers(network)) else 0)
        batch = spec.data.batch_size
        return cls(3 * flops * batch, 4.0 * moved, PASSES * values * batch)

    def least_s(self, card: Card, precision: str) -> float:
        """Seconds below which no step can be: of arithmetic or of memory, whichever is longer."""
        size = 2 if precision == "bfloat16" else 4
        moved = self.weight_bytes + size * self.activation_values
        return max(self.flops / card.flops[precision], moved / card.bandwidth)
