"""Centres of classes, towards which a network pulls its features."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from trainers.data.splits import Split
from trainers.engine.added import AddedLoss, Features
from trainers.losses import center_loss, move_centers


class Centres(AddedLoss):
    """The centre loss, and the centres, which follow the features after each step.

    loss + weight * center_loss; of several views of an image the first counts

    Args:
        centers: The first centres, (classes, values), on the network's device; changed in place.
        weight: Factor on the loss.
        rate: Step of the centres, in (0, 1].
        layer: Module whose results are the features; None: what the last layer takes in.

    Source: Wen et al. 2016, A Discriminative Feature Learning Approach, algorithm 1.
    """

    def __init__(
        self, centers: Tensor, *, weight: float, rate: float, layer: str | None = None
    ) -> None:
        self.centers = centers
        self.weight, self.rate, self.layer = weight, rate, layer
        self._features: Features | None = None
        self._seen: tuple[Tensor, Tensor] | None = None

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Keeps the features of each batch."""
        self._features = Features(model, self.layer)
        with self._features.watching():
            yield

    def total(self, loss: Tensor, logits: Tensor, batch: Split, images: Tensor) -> Tensor:
        """The loss, and what the features are away from their centres."""
        assert self._features is not None
        features = self.ranks.gathered(self._features.latest)
        features = features[: len(batch)].flatten(1).to(self.centers.dtype)
        self._seen = features.detach(), batch.labels
        return loss + self.weight * center_loss(features, batch.labels, self.centers)

    def after_step(self) -> None:
        """Moves the centres towards the features of the batch."""
        assert self._seen is not None
        move_centers(self.centers, *self._seen, rate=self.rate)

    def state(self) -> Mapping[str, Tensor]:
        """The centres."""
        return {"centers": self.centers}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes the centres over."""
        self.centers.copy_(state["centers"])
