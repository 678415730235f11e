"""From specs to objects: models, data, and the task the engine trains."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from trainers.binarize.attach import binarize_weights
from trainers.binding import Component
from trainers.data import SOURCES, Splits
from trainers.engine.fit import Task
from trainers.engine.seeding import generator
from trainers.errors import choose
from trainers.losses import LOSSES
from trainers.models import MODELS
from trainers.models.init import initialise
from trainers.models.recipe import remember
from trainers.optim import LR_SCHEDULES, OPTIMIZERS
from trainers.spec import TrainSpec


def build_model(name: str, **options: object) -> nn.Module:
    """A plain full-precision network, freshly initialised by torch; returns logits.

    Args:
        name: A key of `trainers.MODELS`.
        options: Its keyword arguments, such as `widths=[784, 300, 100, 10]` for "mlp".

    Raises:
        UnknownNameError: If there is no such network.
    """
    model = choose("model", MODELS, name)(**options)
    remember(model, name, options)
    return model


def build_network(spec: TrainSpec, *, device: torch.device) -> nn.Module:
    """The network of a trial with its first weights and its binarizers, all switched off."""
    # Constructors draw from torch's global generator; that is undone, and drawn anew from ours.
    with torch.random.fork_rng(devices=[]):
        model = build_model(spec.model.name, **spec.model.options)
    model.to(torch.float32)
    initialise(model, generator(spec.seed, "weights"))
    model.to(device=device, dtype=_dtype(spec))
    binarize_weights(model, spec.layers.order, spec.weights.name, **spec.weights.options)
    return model


def build_task(spec: TrainSpec, *, data_dir: Path, device: torch.device) -> Task:
    """All that a trial trains with, in its state before the first epoch.

    Raises:
        MissingDataError: If the data set is neither on this machine nor to be downloaded.
    """
    dtype = _dtype(spec)
    model = build_network(spec, device=device)
    rate = spec.optimizer.options["lr"]
    assert isinstance(rate, float)
    return Task(
        model=model,
        optimizer=OPTIMIZERS[spec.optimizer.name](model.parameters(), **spec.optimizer.options),
        loss=LOSSES[spec.loss.name](**spec.loss.options),
        splits=load_splits(spec.data.source, data_dir=data_dir, test=spec.measure_test).to(
            device, dtype
        ),
        schedule=spec.layers,
        lr=LR_SCHEDULES[spec.lr_schedule.name](rate, **spec.lr_schedule.options),
        epochs=spec.epochs,
        batch_size=spec.data.batch_size,
        eval_batch_size=spec.data.eval_batch_size,
        seed=spec.seed,
        autocast=_autocast(spec, device),
        augment=spec.data.augment,
        resets_latent=spec.latent_at_eval == "reset",
    )


def load_splits(source: Component, *, data_dir: Path, test: bool = True) -> Splits:
    """The data set on the CPU; a process that trains several trials on it reads it once.

    Args:
        source: Name and options.
        data_dir: Where data sets lie.
        test: Read the test part too.

    Raises:
        MissingDataError: If it is neither on this machine nor to be downloaded.
    """
    return _load_once(source.name, tuple(source.options.items()), data_dir, test)


@lru_cache(maxsize=1)
def _load_once(
    name: str, options: tuple[tuple[str, object], ...], data_dir: Path, test: bool
) -> Splits:
    load: Callable[..., Splits] = SOURCES[name].load
    return load(data_dir, test, **dict(options))


def _dtype(spec: TrainSpec) -> torch.dtype:
    return torch.float64 if spec.precision == "float64" else torch.float32


def _autocast(spec: TrainSpec, device: torch.device) -> AbstractContextManager[object]:
    if spec.precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
