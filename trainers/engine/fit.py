"""The training loop. It sees objects only: no spec, no table, no file."""

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainers.binarize.attach import set_binary, weight_layers
from trainers.binarize.schedule import LayerSchedule
from trainers.data.augment import Augment
from trainers.data.batches import shuffled_batches
from trainers.data.splits import Split, Splits
from trainers.engine.callbacks import Callback
from trainers.engine.evaluate import evaluate
from trainers.engine.latent import (
    bounded,
    clamp_latent,
    latent_statistics,
    non_negative,
    reset_latent,
    used_weights,
)
from trainers.engine.result import EpochMetrics, Scores
from trainers.engine.seeding import generator
from trainers.errors import BadLossError
from trainers.losses import Loss
from trainers.optim import LrSchedule, set_lr


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that one trial trains with, on one device.

    Args:
        model: With its binarizers attached.
        optimizer: Over all parameters of the model.
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
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
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
    before = non_negative(task.model)
    used: dict[str, Tensor] = {}
    train = train_one_epoch(task, epoch, used=used)
    if task.resets_latent:
        reset_latent(task.model, used)
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
    bounds, parameters = bounded(model), list(model.parameters())
    num_batches = math.ceil(len(train) / task.batch_size)
    losses: list[Tensor] = []
    predicted: list[Tensor] = []
    labels: list[Tensor] = []
    model.train()
    order = generator(task.seed, "order", epoch)
    changes = task.augment.drawn(len(train), generator(task.seed, "augment", epoch))
    for batch in shuffled_batches(train, size=task.batch_size, generator=order, changes=changes):
        with task.autocast:
            logits = model(batch.images)
            loss = task.loss(logits, batch.labels)
        # Half the time of `optimizer.zero_grad`, which also looks for hooks and kinds of gradient.
        for parameter in parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if used is not None and task.resets_latent and len(losses) == num_batches - 1:
            used.update(used_weights(model))
        optimizer.step()
        if bounds:
            clamp_latent(bounds)
        # Kept as they are; adding them up at once spares six small operations a batch.
        losses.append(loss.detach())
        predicted.append(logits.detach().argmax(1))
        labels.append(batch.labels)
    weights = torch.tensor([len(part) for part in labels], dtype=torch.float64)
    # The only wait for the device in an epoch, apart from the two evaluations.
    mean = (torch.stack(losses).to("cpu", torch.float64) @ weights).item() / len(train)
    if not math.isfinite(mean):
        raise BadLossError(f"the training loss of epoch {epoch} is {mean}; a lower lr may help")
    correct = torch.cat(predicted) == torch.cat(labels)
    return Scores(loss=mean, accuracy=correct.sum().item() / len(train))
