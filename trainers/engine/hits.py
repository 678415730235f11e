"""Counts correctly classified images: top-1 and top-5."""

import torch
from torch import Tensor

from trainers.engine.ranks import ALONE, Ranks
from trainers.engine.result import Scores

AT_ONCE = 32
"""Batches ranked together: ranking each batch alone costs as much as a small layer."""


class Hits:
    """Counts over the batches of a pass; only `scores` waits for the device."""

    def __init__(self) -> None:
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._first: list[Tensor] = []
        self._five: list[Tensor] = []
        self._num = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: logits (n, classes), kept until they are counted; labels (n,)."""
        self._logits.append(logits)
        self._labels.append(labels)
        self._num += len(labels)
        if len(self._logits) >= AT_ONCE:
            self._count()

    def scores(self, *, loss: float, num: int | None = None, ranks: Ranks = ALONE) -> Scores:
        """Returns the counts as fractions of all images.

        Args:
            loss: Mean loss of the images.
            num: Number of images that all processes counted; None: those that this one counted.
            ranks: The processes that counted, each its own images.
        """
        if self._logits:
            self._count()
        num = self._num if num is None else num
        five = ranks.total(torch.stack(self._five).sum()).item() / num if self._five else None
        first = ranks.total(torch.stack(self._first).sum()).item() / num
        return Scores(loss=loss, accuracy=first, top5_accuracy=five)

    def _count(self) -> None:
        logits, labels = torch.cat(self._logits), torch.cat(self._labels)
        # Among equal scores, argmax takes the first, but topk takes any; so top-1 uses argmax.
        self._first.append((logits.argmax(1) == labels).sum())
        if logits.shape[1] > 5:
            highest = logits.topk(5, dim=1, sorted=False).indices
            self._five.append((highest == labels[:, None]).sum())
        self._logits, self._labels = [], []
