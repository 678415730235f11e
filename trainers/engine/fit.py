"""The training loop. It knows only objects: no spec, no table, no file."""

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
from trainers.engine.added import AddedLoss, watching
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
from trainers.engine.objective import batch_loss
from trainers.engine.ranks import ALONE, Ranks
from trainers.engine.result import EpochMetrics, Scores
from trainers.errors import BadLossError
from trainers.losses import LossFunction
from trainers.optim.lr_policies import LrSchedule
from trainers.optim.optimizers import set_lr
from trainers.seeding import generator, global_draws


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Everything that one trial trains with, on one device.

    Args:
        model: The model, with its binarizers attached.
        optimizer: Optimizer of all parameters that learn in any epoch.
        loss: Mean training loss of a batch.
        splits: Data on the model's device.
        schedule: Which layers are binary in which epoch.
        lr: Learning rate by epoch.
        epochs: Total number of epochs.
        batch_size: Images per training batch.
        accumulate: Batches in a step of the optimizer, whose gradients are averaged over their
            images. The last step of an epoch may have fewer.
        eval_batch_size: Images per batch in evaluation.
        seed: Seed of all draws in training: image order, augmentation, masks, dropout.
        autocast: Context of each forward pass.
        augment: Augmentation of the training images.
        resets_latent: Before each evaluation, overwrite the latent weights with the weights of the
            last training batch, permanently, as the published code did.
        freezing: Which parameters learn in which epoch; None: all with `requires_grad`, always.
        clip_gradient: Clamp each gradient element to ± this value; None: no clamping.
        num_views: Views of each training image in a batch; they share one label.
        added: Parts of the loss that need more than outputs and labels, in this order.
        memory_format: Order in memory of the images that the model gets; changes only rounding.
        ranks: The processes that train the trial together, each a part of every batch.
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
    added: Sequence[AddedLoss] = ()
    memory_format: torch.memory_format = torch.preserve_format
    ranks: Ranks = ALONE
    accumulate: int = 1

    @property
    def final_from(self) -> int:
        """The first epoch in which the network has its final form."""
        last = self.schedule.final_from(epochs=self.epochs)
        return max([last, *(binarizer.final_from for _, binarizer in binarizers(self.model))])


def fit(
    task: Task, *, history: Sequence[EpochMetrics] = (), callbacks: Sequence[Callback] = ()
) -> tuple[EpochMetrics, ...]:
    """Trains up to the task's last epoch and returns the metrics of every epoch.

    Args:
        task: The trial; its model and optimizer change in place.
        history: Epochs already trained; model and optimizer are in the state after them.
        callbacks: Called for each epoch, also for those in `history`.

    Raises:
        BadLossError: If the mean training loss of an epoch is not finite.
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
    # Also a run without a new epoch ends with the binary layers of the last epoch.
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
    device = next(task.model.parameters()).device
    with global_draws(task.seed, "dropout", epoch, device=device):
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
        memory_format=task.memory_format,
        ranks=task.ranks,
    )


def train_one_epoch(task: Task, epoch: int, *, used: dict[str, Tensor] | None = None) -> Scores:
    """Trains one epoch; returns the scores of the training images, taken during training.

    Args:
        task: The trial.
        epoch: Counted from 0.
        used: If the task resets latent weights, receives the weights that layers used in the last
            batch.

    Raises:
        BadLossError: If the mean loss is not finite.
    """
    ranks = task.ranks
    ranks.align(task.model)
    with ranks.training(task.model), watching(task.model, task.added, ranks):
        return _trained(task, epoch, used)


def _trained(task: Task, epoch: int, used: dict[str, Tensor] | None) -> Scores:
    model, train, ranks = task.model, task.splits.train, task.ranks
    hooks, parameters = Hooks(model), list(model.parameters())
    num_batches = math.ceil(len(train) / task.batch_size)
    losses: list[Tensor] = []
    sizes: list[int] = []
    hits = Hits()
    model.train()
    hooks.begin_epoch(epoch, generator(task.seed, "masks", epoch))
    order = generator(task.seed, "order", epoch)
    windows = task.augment.windows(
        generator(task.seed, "windows", epoch),
        size=train.side,
        by_row=train.uncut is not None and train.uncut.ahead,
    )
    changes = task.augment.drawn(len(train), generator(task.seed, "augment", epoch))
    vary = task.augment.vary(generator(task.seed, "variation", epoch), num_views=task.num_views)
    mix = task.augment.mix(generator(task.seed, "mixup", epoch))
    batches = shuffled_batches(
        train,
        size=task.batch_size,
        generator=order,
        windows=windows,
        changes=changes,
        vary=vary,
        mix=mix,
        own=ranks.own,
    )
    for number, batch in enumerate(batches):
        ranks.begin_batch(len(batch), num_views=1 if vary is None else task.num_views)
        within = number % task.accumulate
        if not within:
            hooks.before_batch()
        logits, loss = _forward(task, batch)
        if not within:
            # Twice as fast as `optimizer.zero_grad`, which looks for hooks and gradient kinds.
            for parameter in parameters:
                parameter.grad = None
        # A random subnet that is only measured has no parameter with `requires_grad`.
        if loss.requires_grad:
            share = _share_of_step(task, number, len(batch))
            weighed = loss if share == 1 else loss * share
            weighed.backward()  # type: ignore[no-untyped-call]
        if used is not None and task.resets_latent and number == num_batches - 1:
            used.update(used_weights(model))
        if within == task.accumulate - 1 or number == num_batches - 1:
            _step(task, hooks, parameters)
        # Losses are added up after the epoch, which saves six small operations per batch.
        losses.append(loss.detach())
        sizes.append(len(batch))
        hits.add(logits.detach()[: len(batch)], batch.labels)
    weights = torch.tensor(sizes, dtype=torch.float64)
    # Apart from the two evaluations, only this line of an epoch waits for the device.
    mean = (torch.stack(losses).to("cpu", torch.float64) @ weights).item() / len(train)
    if not math.isfinite(mean):
        raise BadLossError(f"the training loss of epoch {epoch} is {mean}{_reason(model)}")
    return hits.scores(loss=mean)


def _share_of_step(task: Task, number: int, size: int) -> float:
    """Returns the share of a batch in the images of its step."""
    if task.accumulate == 1:
        return 1.0
    most = task.accumulate * task.batch_size
    first = number // task.accumulate * most
    return size / min(most, len(task.splits.train) - first)


def _step(task: Task, hooks: Hooks, parameters: list[nn.Parameter]) -> None:
    """Updates the parameters from their gradients."""
    # Whatever looks at gradients does so after this.
    task.ranks.reduce(parameters)
    if task.clip_gradient is not None:
        nn.utils.clip_grad_value_(parameters, task.clip_gradient)
    task.optimizer.step()
    hooks.after_step()
    for part in task.added:
        part.after_step()


def _forward(task: Task, batch: Split) -> tuple[Tensor, Tensor]:
    """Returns the logits of a whole training batch, and its loss."""
    images = batch.images.to(memory_format=task.memory_format)
    with task.autocast:
        logits: Tensor = task.ranks.gathered(task.model(images))
        loss = batch_loss(task.loss, logits, batch)
        for part in task.added:
            loss = part.total(loss, logits, batch, images)
    return logits, loss


def _reason(model: nn.Module) -> str:
    """Returns which layers made the loss NaN, or what may help if none did."""
    collapsed = [
        fault.under(name)
        for name, binarizer in binarizers(model)
        if binarizer.enabled and (fault := binarizer.collapse) is not None
    ]
    return f": {'; '.join(map(str, collapsed))}" if collapsed else "; a lower lr may help"
