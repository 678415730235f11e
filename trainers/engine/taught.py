"""What a network learns from a teacher."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trainers.data.splits import Split
from trainers.engine.added import AddedLoss, Features
from trainers.losses import Distillation


class Taught(AddedLoss):
    """The loss between a network and its teacher, which sees the same batch.

    The teacher is in evaluation mode, and gets no gradient.

    Args:
        teacher: A trained network on the device of the other one, with weights of the same dtype.
        how: What is compared, and how.

    Raises:
        AttributeError: If the teacher has no module of that name.
    """

    def __init__(self, teacher: nn.Module, how: Distillation) -> None:
        self.teacher = teacher.eval()
        self.how = how
        self._theirs = Features(teacher, how.teacher_layer) if how.features else None
        self._ours: Features | None = None

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Keeps the features of both networks, if these are compared."""
        if self._theirs is None:
            yield
            return
        self._ours = Features(model, self.how.layer)
        with self._ours.watching(), self._theirs.watching():
            yield

    def total(self, loss: Tensor, logits: Tensor, batch: Split, images: Tensor) -> Tensor:
        """The weighted loss of the labels, and what the teacher adds to it."""
        own = self.how.mean(*self.compared(logits, images))
        return self.how.label_weight * loss + own if self.how.label_weight else own

    def compared(self, logits: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what is compared of the network and of its teacher.

        Args:
            logits: What the network made of the whole batch.
            images: The batch, or this process's part of it.
        """
        gathered = self.ranks.gathered
        with torch.no_grad():
            theirs: Tensor = self.teacher(images)
            if self._theirs is None or self._ours is None:
                return logits, gathered(theirs)
            features = gathered(_precise(self._theirs.latest))
        return gathered(_precise(self._ours.latest)), features


def _precise(features: Tensor) -> Tensor:
    """Returns features in which squares can be added up."""
    return features.to(torch.promote_types(features.dtype, torch.float32))
