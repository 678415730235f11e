"""Everything that one trial trains with. It knows only objects: no spec, no table, no file."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import nn

from trainers.binarize.attach import binarizers
from trainers.binarize.schedule import LayerSchedule
from trainers.data.augment import Augment
from trainers.data.splits import Splits
from trainers.engine.added import AddedLoss
from trainers.engine.eval_batches import EvalBatches, eval_batches
from trainers.engine.freezing import Freezing
from trainers.engine.ranks import ALONE, Ranks
from trainers.losses import LossFunction
from trainers.optim.lr_policies import LrSchedule


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
        eval_batch_size: Images per batch in evaluation, to begin with.
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
        graphs: On a GPU, record a step and replay it (`trainers.engine.captured`).
        note: Receives one sentence if that fails.
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
    graphs: bool = True
    note: Callable[[str], None] | None = None
    eval_batches: EvalBatches = field(init=False)

    def __post_init__(self) -> None:
        """Reads from the model on which device the trial runs."""
        device = next(self.model.parameters()).device
        object.__setattr__(self, "eval_batches", eval_batches(self.eval_batch_size, device))

    @property
    def final_from(self) -> int:
        """The first epoch in which the network has its final form."""
        last = self.schedule.final_from(epochs=self.epochs)
        return max([last, *(binarizer.final_from for _, binarizer in binarizers(self.model))])
