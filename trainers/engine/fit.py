"""The training loop. It knows only objects: no spec, no table, no file."""

import math
import time
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarizers, set_binary, weight_layers
from trainers.binarize.hooks import Hooks
from trainers.data.batches import shuffled_batches
from trainers.data.splits import Split
from trainers.engine.added import watching
from trainers.engine.callbacks import Callback
from trainers.engine.captured import step_of
from trainers.engine.evaluate import evaluate
from trainers.engine.hits import Hits
from trainers.engine.latent import latent_statistics, non_negative, reset_latent
from trainers.engine.result import EpochMetrics, Scores
from trainers.engine.step import Step
from trainers.engine.task import Task
from trainers.errors import BadLossError
from trainers.optim.optimizers import set_lr
from trainers.seeding import generator, global_draws


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
    epochs, step = list(history), step_of(task)
    for metrics in epochs:
        for callback in callbacks:
            callback.on_epoch_end(metrics)
    for epoch in range(len(epochs), task.epochs):
        metrics = _one_epoch(task, epoch, step)
        epochs.append(metrics)
        for callback in callbacks:
            callback.on_epoch_end(metrics)
    # Also a run without a new epoch ends with the binary layers of the last epoch.
    set_binary(task.model, task.schedule.binarized_at(task.epochs - 1))
    return tuple(epochs)


def _one_epoch(task: Task, epoch: int, step: Step) -> EpochMetrics:
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
        train = train_one_epoch(task, epoch, used=used, step=step)
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
    measure = partial(
        evaluate,
        task.model,
        split,
        loss=task.loss,
        autocast=task.autocast,
        memory_format=task.memory_format,
        ranks=task.ranks,
    )
    # Of pictures that are read while training, the processor holds several batches at once.
    most = len(split) if split.uncut is None else task.eval_batch_size
    return task.eval_batches.measured(lambda size: measure(batch_size=size), images=most)


def train_one_epoch(
    task: Task,
    epoch: int,
    *,
    used: dict[str, Tensor] | None = None,
    step: Step | None = None,
) -> Scores:
    """Trains one epoch; returns the scores of the training images, taken during training.

    Args:
        task: The trial.
        epoch: Counted from 0.
        used: If the task resets latent weights, receives the weights that layers used in the last
            batch.
        step: What is done with each batch; one for all epochs of a trial. None: a new one.

    Raises:
        BadLossError: If the mean loss is not finite.
    """
    ranks, step = task.ranks, step or step_of(task)
    ranks.align(task.model)
    with ranks.training(task.model), watching(task.model, task.added, ranks), step.epoch(epoch):
        return _trained(task, epoch, used, step)


def _trained(task: Task, epoch: int, used: dict[str, Tensor] | None, step: Step) -> Scores:
    train, ranks = task.splits.train, task.ranks
    num_batches = math.ceil(len(train) / task.batch_size)
    losses: list[Tensor] = []
    sizes: list[int] = []
    hits = Hits()
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
        within, is_last = number % task.accumulate, number == num_batches - 1
        logits, loss = step(
            batch,
            begins=not within,
            ends=is_last or within == task.accumulate - 1,
            share=_share_of_step(task, number, len(batch)),
            used=used if is_last and task.resets_latent else None,
        )
        # Losses are added up after the epoch, which saves six small operations per batch.
        losses.append(loss)
        sizes.append(len(batch))
        hits.add(logits[: len(batch)], batch.labels)
    weights = torch.tensor(sizes, dtype=torch.float64)
    # Apart from the two evaluations, only this line of an epoch waits for the device.
    mean = (torch.stack(losses).to("cpu", torch.float64) @ weights).item() / len(train)
    if not math.isfinite(mean):
        raise BadLossError(
            f"the training loss of epoch {epoch + 1} is {mean}{_reason(task.model)}"
        )
    return hits.scores(loss=mean)


def _share_of_step(task: Task, number: int, size: int) -> float:
    """Returns the share of a batch in the images of its step."""
    if task.accumulate == 1:
        return 1.0
    most = task.accumulate * task.batch_size
    first = number // task.accumulate * most
    return size / min(most, len(task.splits.train) - first)


def _reason(model: nn.Module) -> str:
    """Returns which layers made the loss NaN, or what may help if none did."""
    collapsed = [
        fault.under(name)
        for name, binarizer in binarizers(model)
        if binarizer.enabled and (fault := binarizer.collapse) is not None
    ]
    return f": {'; '.join(map(str, collapsed))}" if collapsed else "; a lower lr may help"
