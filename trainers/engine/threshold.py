"""One threshold for the scores of all layers, so that a share of all weights is kept."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarizers
from trainers.binarize.weights.biprop import BipropGlobalBinarizer, num_kept

log = logging.getLogger(__name__)


def globally_pruned(model: nn.Module) -> dict[str, BipropGlobalBinarizer]:
    """The binarizers that share a threshold, by layer, whether they are enabled or not."""
    return {
        name: binarizer
        for name, binarizer in binarizers(model)
        if isinstance(binarizer, BipropGlobalBinarizer)
    }


@torch.no_grad()
def global_threshold(layers: Sequence[BipropGlobalBinarizer], *, keep: float) -> Tensor:
    """The |score| above which the share `keep` of all weights lies, as a constant.

    It is the largest score that is not kept; what equals it is not kept either. -1 where all are.

    Args:
        layers: One or more.
        keep: Share in (0, 1].
    """
    scores = torch.cat([layer.scores.abs().flatten() for layer in layers])
    num_removed = scores.numel() - num_kept(scores.numel(), keep)
    if num_removed == 0:
        return scores.new_full((), -1.0)
    return scores.kthvalue(num_removed).values


@torch.no_grad()
def set_thresholds(layers: Sequence[BipropGlobalBinarizer], *, keep: float) -> None:
    """Gives the enabled ones among the layers the threshold at which the share is kept."""
    enabled = [layer for layer in layers if layer.enabled]
    if enabled:
        threshold = global_threshold(enabled, keep=keep)
        for layer in enabled:
            layer.threshold.copy_(threshold)


def report_collapsed(layers: dict[str, BipropGlobalBinarizer], epoch: int) -> None:
    """Warns of layers that the threshold would leave without a weight."""
    empty = [name for name, layer in layers.items() if layer.enabled and layer.num_above == 0]
    if empty:
        log.warning(
            "epoch %d: no weight of %s is above the threshold; its best stays",
            epoch,
            ", ".join(empty),
        )
