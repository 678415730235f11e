"""Loss and accuracy over a split, with exactly the weights a deployed network would have."""

from contextlib import AbstractContextManager

import torch
from torch import nn
from torch.nn.utils import parametrize

from trainers.data.batches import ordered_batches
from trainers.data.splits import Split
from trainers.engine.hits import Hits
from trainers.engine.result import Scores
from trainers.losses import LossFunction


@torch.no_grad()
def evaluate(
    model: nn.Module,
    split: Split,
    *,
    loss: LossFunction,
    batch_size: int,
    autocast: AbstractContextManager[object],
) -> Scores:
    """Scores of the model in evaluation mode; the mode it was in is set again.

    Binary layers compute with the sign of their present latent weight, which stays as it is.

    Args:
        model: Any classifier.
        split: Images and labels on the model's device.
        loss: Mean loss of a batch; batches are weighted by their size, so this is the true mean.
        batch_size: Images at a time; of no influence beyond rounding.
        autocast: Entered around each forward pass.
    """
    training = model.training
    model.eval()
    total = torch.zeros((), device=split.labels.device, dtype=torch.float64)
    hits = Hits()
    try:
        # Each binary weight is computed once for all batches.
        with parametrize.cached():
            for batch in ordered_batches(split, size=batch_size):
                with autocast:
                    logits = model(batch.images)
                    total += loss(logits, batch.labels) * len(batch)
                hits.add(logits, batch.labels)
    finally:
        model.train(training)
    return hits.scores(loss=total.item() / len(split))
