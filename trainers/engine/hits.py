"""How many images a network gets right: by its highest score, and by its five highest."""

import torch
from torch import Tensor

from trainers.engine.result import Scores

AT_ONCE = 32
"""Batches whose scores are ranked together: one at a time costs as much as a small layer."""


class Hits:
    """Counts over the batches of a pass; nothing waits for the device before `scores`."""

    def __init__(self) -> None:
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._first: list[Tensor] = []
        self._five: list[Tensor] = []
        self._num = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """A batch: scores (n, classes), kept as they are until they are counted; labels (n,)."""
        self._logits.append(logits)
        self._labels.append(labels)
        self._num += len(labels)
        if len(self._logits) >= AT_ONCE:
            self._count()

    def scores(self, *, loss: float) -> Scores:
        """What was counted, as shares of all images.

        Args:
            loss: Their mean loss.
        """
        if self._logits:
            self._count()
        five = torch.stack(self._five).sum().item() / self._num if self._five else None
        first = torch.stack(self._first).sum().item() / self._num
        return Scores(loss=loss, accuracy=first, top5_accuracy=five)

    def _count(self) -> None:
        logits, labels = torch.cat(self._logits), torch.cat(self._labels)
        # Of equal scores argmax takes the first, and topk any.
        self._first.append((logits.argmax(1) == labels).sum())
        if logits.shape[1] > 5:
            highest = logits.topk(5, dim=1, sorted=False).indices
            self._five.append((highest == labels[:, None]).sum())
        self._logits, self._labels = [], []
