"""Loss and accuracy over a split, with exactly the weights of a deployed network."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainers.data.batches import ordered_batches
from trainers.data.splits import Split
from trainers.engine.hits import Hits
from trainers.engine.ranks import ALONE, Ranks
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
    memory_format: torch.memory_format = torch.preserve_format,
    ranks: Ranks = ALONE,
) -> Scores:
    """Measures the model in evaluation mode, then restores its previous mode.

    Of a picture that is seen through several windows, the log-probabilities are averaged; its
    loss is the mean of theirs, which for cross entropy is that of the average.

    Binary layers compute with the sign of their present latent weight; evaluation does not change
    it.

    Args:
        model: Any classifier.
        split: Images and labels on the model's device.
        loss: Mean loss of a batch. Batches are weighted by their size, so the result is the mean
            over images.
        batch_size: Images, or windows of them, per batch; changes only rounding.
        autocast: Context of each forward pass.
        memory_format: Order in memory of the images that the model gets; changes only rounding.
        ranks: The processes that measure it together, each a part of the images.
    """
    training, num = model.training, len(split)
    # Each process must have an image.
    ranks = ALONE if num < ranks.world else ranks
    if (own := ranks.own(num)) is not None:
        split = split.cut(own)
    model.eval()
    total = torch.zeros((), device=split.labels.device, dtype=torch.float64)
    hits = Hits()
    try:
        # The cache computes each binary weight once for all batches.
        with parametrize.cached():
            for batch in ordered_batches(split, size=batch_size):
                with autocast:
                    logits = model(batch.images.to(memory_format=memory_format))
                    labels = batch.labels.repeat(batch.num_views)
                    total += loss(logits, labels) * len(batch)
                hits.add(_averaged(logits, batch.num_views), batch.labels)
    finally:
        model.train(training)
    return hits.scores(loss=ranks.total(total).item() / num, num=num, ranks=ranks)


def _averaged(logits: Tensor, num_views: int) -> Tensor:
    """Averages the log-probabilities of windows, (windows * n, classes), to (n, classes)."""
    if num_views == 1:
        return logits
    dtype = torch.promote_types(logits.dtype, torch.float32)
    log_probabilities = logits.log_softmax(1, dtype=dtype)
    return log_probabilities.reshape(num_views, -1, logits.shape[1]).mean(0)
