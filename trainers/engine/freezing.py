"""Which parameters learn in which epoch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn

Learn = Literal["all", "bias", "none"]


def normalisations(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Returns the model's batch normalisations, in registration order."""
    kind = nn.modules.batchnorm._BatchNorm
    return [module for module in model.modules() if isinstance(module, kind)]


def freeze_normalisations(model: nn.Module, learn: Learn) -> None:
    """Sets `requires_grad` of the weights and biases of all normalisations."""
    for module in normalisations(model):
        if module.affine:
            module.weight.requires_grad_(learn == "all")
            module.bias.requires_grad_(learn != "none")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Freezing:
    """Trains everything but the normalisations first, then only the normalisations.

    Args:
        tuned_from: First epoch that trains the normalisations, counted from 0.
        norms: Trainable parameters of the normalisations.
        others: All other trainable parameters.
    """

    tuned_from: int
    norms: tuple[nn.Parameter, ...]
    others: tuple[nn.Parameter, ...]

    @classmethod
    def of(cls, model: nn.Module, *, tuned_from: int) -> "Freezing":
        """Sorts the parameters that have `requires_grad` now into the two groups."""
        asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
        own = {id(item) for module in normalisations(model) for item in module.parameters()}
        return cls(
            tuned_from=tuned_from,
            norms=tuple(item for item in asking if id(item) in own),
            others=tuple(item for item in asking if id(item) not in own),
        )

    def apply(self, epoch: int) -> None:
        """Sets `requires_grad` for this epoch."""
        _ask(self.norms, epoch >= self.tuned_from)
        _ask(self.others, epoch < self.tuned_from)


def _ask(parameters: Iterable[nn.Parameter], asks: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(asks)
        if not asks:
            # Without a gradient, an optimizer skips the parameter and its momentum.
            parameter.grad = None
