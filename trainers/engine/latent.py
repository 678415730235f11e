"""Statistics of latent weights, the published reset of latent weights, and a model digest."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarizers, latent_weights, weight_layers
from trainers.engine.result import LatentStatistics

NEAR_ZERO = 0.05
"""A weight below this fraction of its layer's mean magnitude counts as near zero."""


@torch.no_grad()
def non_negative(model: nn.Module) -> dict[str, Tensor]:
    """Returns by layer where the latent weight is not negative, that is, has sign +1."""
    return {name: weight >= 0 for name, weight in latent_weights(model).items()}


@torch.no_grad()
def latent_statistics(
    model: nn.Module, before: Mapping[str, Tensor]
) -> dict[str, LatentStatistics]:
    """Returns the statistics of every layer, by name.

    Args:
        model: The model after the epoch.
        before: `non_negative(model)` before the epoch.
    """
    result: dict[str, LatentStatistics] = {}
    for name, weight in latent_weights(model).items():
        magnitude = weight.abs()
        flipped = ((weight >= 0) != before[name]).sum()
        near = (magnitude < NEAR_ZERO * magnitude.mean()).sum()
        result[name] = LatentStatistics(
            signs_flipped=flipped.item() / weight.numel(), near_zero=near.item() / weight.numel()
        )
    return result


@torch.no_grad()
def used_weights(model: nn.Module) -> dict[str, Tensor]:
    """Returns a copy of the weight that each layer computes with now, by layer.

    Empty if no layer has a binarizer: the published code leaves such networks unchanged. In other
    networks it treats all layers alike, binary or not.
    """
    layers = weight_layers(model) if any(binarizers(model)) else ()
    return {name: _weight(model, name).clone() for name in layers}


@torch.no_grad()
def reset_latent(model: nn.Module, used: Mapping[str, Tensor]) -> None:
    """Overwrites latent weights with the weights that layers computed with.

    The published MNIST and CIFAR-10 code of iterative training does this at each evaluation, with
    the weights of the last training batch. A binary layer loses its latent weight, which becomes
    ±1; in other layers this undoes the optimizer's last step.
    """
    latent = latent_weights(model)
    for name, weight in used.items():
        latent[name].copy_(weight)


def _weight(model: nn.Module, layer: str) -> Tensor:
    weight = model.get_submodule(layer).weight
    assert isinstance(weight, Tensor)
    return weight


def weights_sha256(model: nn.Module) -> str:
    """SHA-256 over names and bytes of the state dict; equal for bit-identical models."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def latent_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict with the names of a network that has no weight binarizers.

    Latent weights stand in the place of weights. What binarizers hold themselves is left out.

    Args:
        state: State dict of a network with or without binarizers.
    """
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        layer, inside, rest = name.partition(".parametrizations.weight.")
        if not inside:
            found[name] = value
        elif rest == "original":
            found[f"{layer}.weight"] = value
    return found
