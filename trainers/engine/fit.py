"""The training loop. It sees objects only: no spec, no table, no file."""

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarizers, set_binary, weight_layers
from trainers.binarize.hooks import Hooks
from trainers.binarize.schedule import LayerSchedule
from trainers.data.augment import Augment
from trainers.data.batches import shuffled_batches
from trainers.data.splits import Split, Splits
from trainers.engine.callbacks import Callback
from trainers.engine.evaluate import evaluate
from trainers.engine.freezing import Freezing
from trainers.engine.hits import Hits
from trainers.engine.latent import (
    latent_statistics,
    non_negative,
    reset_latent,
    used_weights,
)
from trainers.engine.result import EpochMetrics, Scores
from trainers.errors import BadLossError
from trainers.losses import LossFunction
from trainers.optim.lr_policies import LrSchedule
from trainers.optim.optimizers import set_lr
from trainers.seeding import generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that one trial trains with, on one device.

    Args:
        model: With its binarizers attached.
        optimizer: Over all parameters of the model that ever learn.
        loss: Mean training loss of a batch.
        splits: Data on the model's device.
        schedule: Which layers are binary when.
        lr: Learning rate by epoch.
        epochs: How many, in all.
        batch_size: Training images a batch.
        eval_batch_size: Images at a time when measuring.
        seed: Where the order of the training images begins.
        autocast: Entered around each forward pass.
        augment: How training images are varied.
        resets_latent: Before each evaluation, overwrite latent weights with the weights of the
            last training batch, and leave them so: what the published code did.
        freezing: Who learns when; None: all that ask for a gradient do, throughout.
        clip_gradient: Each element of a gradient is clamped to ± this first; None: none is.
        num_views: Of each training image in a batch, all labelled once.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: LossFunction
    splits: Splits
    schedule: LayerSchedule[str]
    lr: LrSchedule
    epochs: int
    batch_size: int
    eval_batch_size: int
    seed: int
    autocast: AbstractContextManager[object]
    augment: Augment = field(default_factory=Augment)
    resets_latent: bool = False
    freezing: Freezing | None = None
    clip_gradient: float | None = None
    num_views: int = 1

    @property
    def final_from(self) -> int:
        """The first epoch in which the network is the one that was asked for."""
        last = self.schedule.final_from(epochs=self.epochs)
        return max([last, *(binarizer.final_from for _, binarizer in binarizers(self.model))])


def fit(
    task: Task, *, history: Sequence[EpochMetrics] = (), callbacks: Sequence[Callback] = ()
) -> tuple[EpochMetrics, ...]:
    """Trains up to the task's last epoch and returns the metrics of every epoch.

    Args:
        task: What to train; its model and optimizer change in place.
        history: Epochs trained already, whose state model and optimizer are in.
        callbacks: Told of each epoch; first of those in `history`.

    Raises:
        BadLossError: If the mean training loss of an epoch is no finite number.
    """
    epochs = list(history)
    for metrics in epochs:
        for callback in callbacks:
            callback.on_epoch_end(metrics)
    for epoch in range(len(epochs), task.epochs):
        metrics = _one_epoch(task, epoch)
        epochs.append(metrics)
        for callback in callbacks:
            callback.on_epoch_end(metrics)
    # What stands in the model after the run is what the last epoch was measured with.
    set_binary(task.model, task.schedule.binarized_at(task.epochs - 1))
    return tuple(epochs)


def _one_epoch(task: Task, epoch: int) -> EpochMetrics:
    started = time.perf_counter()
    lr, binary = task.lr(epoch), task.schedule.binarized_at(epoch)
    set_lr(task.optimizer, lr)
    set_binary(task.model, binary)
    if task.freezing is not None:
        task.freezing.apply(epoch)
    before = non_negative(task.model)
    used: dict[str, Tensor] = {}
    train = train_one_epoch(task, epoch, used=used)
    if task.resets_latent:
        reset_latent(task.model, used)
    Hooks(task.model).before_evaluation()
    validation = _scores(task, task.splits.validation)
    test = None if task.splits.test is None else _scores(task, task.splits.test)
    return EpochMetrics(
        epoch=epoch,
        lr=lr,
        binary=tuple(name for name in weight_layers(task.model) if name in binary),
        train=train,
        validation=validation,
        test=test,
        latent=latent_statistics(task.model, before),
        wall_s=time.perf_counter() - started,
        time_ms=time.time_ns() // 1_000_000,
    )


def _scores(task: Task, split: Split) -> Scores:
    return evaluate(
        task.model,
        split,
        loss=task.loss,
        batch_size=task.eval_batch_size,
        autocast=task.autocast,
    )


def train_one_epoch(task: Task, epoch: int, *, used: dict[str, Tensor] | None = None) -> Scores:
    """One pass over the training images; returns their scores as they were seen.

    Args:
        task: What to train.
        epoch: Counted from 0.
        used: Where the task resets latent weights, filled with the weights that layers computed
            with in the last batch.

    Raises:
        BadLossError: If their mean loss is no finite number.
    """
    model, optimizer, train = task.model, task.optimizer, task.splits.train
    hooks, parameters = Hooks(model), list(model.parameters())
    num_batches = math.ceil(len(train) / task.batch_size)
    losses: list[Tensor] = []
    sizes: list[int] = []
    hits = Hits()
    model.train()
    hooks.begin_epoch(epoch, generator(task.seed, "masks", epoch))
    order = generator(task.seed, "order", epoch)
    changes = task.augment.drawn(len(train), generator(task.seed, "augment", epoch))
    vary = task.augment.vary(generator(task.seed, "variation", epoch), num_views=task.num_views)
    for batch in shuffled_batches(
        train, size=task.batch_size, generator=order, changes=changes, vary=vary
    ):
        hooks.before_batch()
        with task.autocast:
            logits = model(batch.images)
            loss = task.loss(logits, batch.labels)
        # Half the time of `optimizer.zero_grad`, which also looks for hooks and kinds of gradient.
        for parameter in parameters:
            parameter.grad = None
        # A random subnet, measured as it is, has nothing that asks for a gradient.
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        if used is not None and task.resets_latent and len(losses) == num_batches - 1:
            used.update(used_weights(model))
        if task.clip_gradient is not None:
            nn.utils.clip_grad_value_(parameters, task.clip_gradient)
        optimizer.step()
        hooks.after_step()
        # Kept as they are; adding them up at once spares six small operations a batch.
        losses.append(loss.detach())
        sizes.append(len(batch))
        hits.add(logits.detach()[: len(batch)], batch.labels)
    weights = torch.tensor(sizes, dtype=torch.float64)
    # The only wait for the device in an epoch, apart from the two evaluations.
    mean = (torch.stack(losses).to("cpu", torch.float64) @ weights).item() / len(train)
    if not math.isfinite(mean):
        raise BadLossError(f"the training loss of epoch {epoch} is {mean}; a lower lr may help")
    return hits.scores(loss=mean)
