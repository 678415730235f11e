"""What binary inputs lose in each layer: the measures by which hybrid networks are chosen."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainers.binarize.attach import activation_binarizers
from trainers.data.splits import Split
from trainers.errors import SpecError


class LayerErrors(NamedTuple):
    """How far the input x of a binary activation is from its sign, with sign(0) = 0.

    Each is a mean over batches of a mean over all elements of x.

    Args:
        rmse: Square root of the mean of (sign(x) - x)^2.
        normalized_rmse: Square root of the mean over batches of that mean by the mean of x^2.
        one_minus_w2: Mean of |1 - clamp(x, -1, 1)^2|.
    """

    rmse: float
    normalized_rmse: float
    one_minus_w2: float


Images = Tensor | Split | Sequence[Tensor]
"""A batch: images alone, or images with labels behind them."""


@torch.no_grad()
def layer_errors(model: nn.Module, batches: Iterable[Images]) -> Mapping[str, LayerErrors]:
    """Measures what each binary activation of a network loses, in evaluation mode.

    The inputs are measured as the activation gets them, in a network in which all other binary
    layers are binary. Afterwards the network is as it was: its mode, its statistics, its hooks.

    Args:
        model: A network with binary inputs of layers; usually trained.
        batches: Batches on the network's device; each counts the same, whatever its size.

    Returns:
        The errors by layer, in registration order; empty if no layer has a binary input.

    Raises:
        SpecError: If there is no batch.

    Source: the code published with arXiv:1804.02941 (`calculateBinarizationLosses`).
    Where we differ: the published code measures again every epoch and mixes the averages.
    """
    sums = {name: _Sums() for name, _ in activation_binarizers(model)}
    modes = {module: module.training for module in model.modules()}
    with ExitStack() as undo:
        for module, training in modes.items():
            undo.callback(setattr, module, "training", training)
        for name, errors in sums.items():
            # In front of the activation, which is a hook itself.
            hook = model.get_submodule(name).register_forward_pre_hook(errors.look, prepend=True)
            undo.callback(hook.remove)
        model.eval()
        # The cache computes each binary weight once for all batches.
        undo.enter_context(parametrize.cached())
        num_batches = 0
        for batch in batches:
            model(_images(batch))
            num_batches += 1
    if not num_batches:
        raise SpecError("there is no batch to measure on")
    return {name: errors.result() for name, errors in sums.items()}


class _Sums:
    """Sums over batches of the three means of one layer's input."""

    def __init__(self) -> None:
        self._num = 0
        self._total: Tensor | None = None

    def look(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Adds the means of one batch, in float64; does not wait for the device."""
        x = inputs[0].detach()
        squared = _mean((torch.sign(x) - x).square())
        distance = _mean((1 - x.clamp(-1, 1).square()).abs())
        means = torch.stack([squared, squared / _mean(x.square()), distance])
        self._total = means if self._total is None else self._total + means
        self._num += 1

    def result(self) -> LayerErrors:
        """Returns the errors; NaN if the layer was never used."""
        if self._total is None:
            return LayerErrors(*3 * (math.nan,))
        squared, normalized, distance = (self._total / self._num).tolist()
        return LayerErrors(squared**0.5, normalized**0.5, distance)


def _mean(values: Tensor) -> Tensor:
    return values.mean(dtype=torch.float64)


def _images(batch: Images) -> Tensor:
    if isinstance(batch, Tensor):
        return batch
    return batch.images if isinstance(batch, Split) else batch[0]
