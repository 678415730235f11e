"""What training does with one batch: forward, loss, backward, and the update."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn

from trainers.binarize.hooks import Hooks
from trainers.data.splits import Split
from trainers.engine.latent import used_weights
from trainers.engine.objective import batch_loss
from trainers.engine.task import Task
from trainers.optim.rate import on_device
from trainers.seeding import generator


class Step:
    """Trains on the batches of a trial, one call a batch.

    Args:
        task: The trial.
        rate: Where the optimizer finds its learning rate during an epoch: a float32 scalar on the
            device; None: in Python.
    """

    def __init__(self, task: Task, *, rate: Tensor | None = None) -> None:
        self.task, self.rate = task, rate
        self.hooks = Hooks(task.model)
        self.parameters = list(task.model.parameters())

    @contextmanager
    def epoch(self, epoch: int) -> Iterator[None]:
        """Surrounds the batches of an epoch, when its rate and its binary layers are set.

        Args:
            epoch: Counted from 0.
        """
        self.task.model.train()
        self.hooks.begin_epoch(epoch, generator(self.task.seed, "masks", epoch))
        rate = self.rate
        with nullcontext() if rate is None else on_device(self.task.optimizer, rate):
            yield

    def __call__(
        self,
        batch: Split,
        *,
        begins: bool = True,
        ends: bool = True,
        share: float = 1.0,
        used: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the logits of a whole training batch, and its loss, without their gradients.

        Args:
            batch: The batch, normalised.
            begins: It is the first of a step of the optimizer.
            ends: It is the last of one, so parameters change.
            share: Share of its images in those of the step.
            used: Receives the weights that layers used.
        """
        if begins:
            self.hooks.before_batch()
        logits, loss = self._forward(batch)
        if begins:
            # Twice as fast as `optimizer.zero_grad`, which looks for hooks and gradient kinds.
            for parameter in self.parameters:
                parameter.grad = None
        # A random subnet that is only measured has no parameter with `requires_grad`.
        if loss.requires_grad:
            weighed = loss if share == 1 else loss * share
            weighed.backward()  # type: ignore[no-untyped-call]
        if used is not None:
            used.update(used_weights(self.task.model))
        if ends:
            self._update()
        return logits.detach(), loss.detach()

    def _forward(self, batch: Split) -> tuple[Tensor, Tensor]:
        task = self.task
        images = batch.images.to(memory_format=task.memory_format)
        with task.autocast:
            logits: Tensor = task.ranks.gathered(task.model(images))
            loss = batch_loss(task.loss, logits, batch)
            for part in task.added:
                loss = part.total(loss, logits, batch, images)
        return logits, loss

    def _update(self) -> None:
        """Updates the parameters from their gradients."""
        # Whatever looks at gradients does so after this.
        self.task.ranks.reduce(self.parameters)
        if self.task.clip_gradient is not None:
            nn.utils.clip_grad_value_(self.parameters, self.task.clip_gradient)
        self.task.optimizer.step()
        self.hooks.after_step()
        for part in self.task.added:
            part.after_step()
