"""The interface of objects that follow a training run."""

from typing import Protocol

from trainers.engine.result import EpochMetrics


class Callback(Protocol):
    """Called in the training process, between epochs; must leave the model alone."""

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """Called after each epoch is trained and measured.

        A resumed trial first reports the epochs in its checkpoint, in order and unchanged.
        """
        ...
