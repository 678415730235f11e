"""Stages of a trial: what one hands on to the next, and how epochs are counted over all."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from trainers.engine.callbacks import Callback
from trainers.engine.checkpoint import Checkpoint, Checkpoints
from trainers.engine.latent import latent_state
from trainers.engine.result import EpochMetrics, selected
from trainers.engine.task import Task

Weights = Mapping[str, Tensor]
"""Latent weights and statistics, with the names of a network without binarizers."""


def later(metrics: EpochMetrics, *, begun: int) -> EpochMetrics:
    """Returns the epoch as it is counted over all stages.

    Args:
        metrics: An epoch, counted within its stage.
        begun: Epochs of the stages before.
    """
    return replace(metrics, epoch=metrics.epoch + begun) if begun else metrics


class Later:
    """Tells a callback of the epochs of a stage, counted over all stages."""

    def __init__(self, callback: Callback, *, begun: int) -> None:
        self.callback, self.begun = callback, begun

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """Passes the epoch on."""
        self.callback.on_epoch_end(later(metrics, begun=self.begun))


class Selecting:
    """Keeps what a stage hands on: the latent weights of its selected epoch.

    Args:
        task: What is trained.
        num_restored: Epochs at the beginning that are only reported again.
    """

    def __init__(self, task: Task, *, num_restored: int) -> None:
        self.task = task
        self.num_restored = num_restored
        self.history: list[EpochMetrics] = []
        self._weights: Weights | None = None

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """Copies the weights if the epoch is the best one so far."""
        self.history.append(metrics)
        if metrics.epoch < self.task.final_from or self._selected is not metrics:
            return
        is_new = len(self.history) > self.num_restored
        state = self.task.model.state_dict()
        self._weights = _copied(state) if is_new else None

    def weights(
        self, checkpoints: Checkpoints | None, *, fits: Callable[[Checkpoint], bool]
    ) -> Weights | None:
        """Returns the weights of the selected epoch; None if they are lost.

        Args:
            checkpoints: Those of the stage, for an epoch from before an interruption.
            fits: Whether a state fits the network.
        """
        if self._weights is None and checkpoints is not None:
            found = checkpoints.load_best()
            chosen = self._selected.epoch
            if found is not None and fits(found) and found.history[-1].epoch == chosen:
                return _copied(found.model)
        return self._weights

    @property
    def _selected(self) -> EpochMetrics:
        return selected(self.history, final_from=self.task.final_from)


def _copied(state: Mapping[str, Tensor]) -> Weights:
    return {name: value.detach().clone() for name, value in latent_state(state).items()}
