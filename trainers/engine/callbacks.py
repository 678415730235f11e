"""What may listen to a training run."""

from typing import Protocol

from trainers.engine.result import EpochMetrics


class Callback(Protocol):
    """Called in the training process, between epochs; must leave the model alone."""

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """An epoch has been trained and measured.

        Epochs that a resumed trial trained earlier come first, from its checkpoint, in order and
        exactly as they were.
        """
        ...
