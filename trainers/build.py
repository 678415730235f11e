"""Builds objects from specs: models, data, and the task that the engine trains."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainers.added import added_losses
from trainers.binarize.attach import (
    activated_modules,
    binarize_activations,
    binarize_weights,
    initialise_binarizers,
)
from trainers.binding import Component, component
from trainers.data import SOURCES, Splits
from trainers.data.on_gpu import on_gpu
from trainers.engine.freezing import Freezing, freeze_normalisations, normalisations
from trainers.engine.ranks import ALONE, Ranks
from trainers.engine.task import Task
from trainers.errors import SpecError
from trainers.losses import LOSSES
from trainers.models import MODELS
from trainers.models.init import initialise
from trainers.models.recipe import remember
from trainers.models.weight_inits import WEIGHT_INITS, draw_weights
from trainers.optim.optimizers import OPTIMIZERS, lr_of_step, lr_schedule
from trainers.seeding import generator
from trainers.spec.data_spec import without_bytes
from trainers.spec.parts import ALL
from trainers.spec.train_spec import TrainSpec

PUBLISHED_NORM_WEIGHT = 1200**-0.5
"""Largest initial weight of a normalisation in the code published with arXiv:2103.09377."""


def build_model(name: str, **options: object) -> nn.Module:
    """Builds a full-precision network with random weights from torch; it returns logits.

    Args:
        name: A key of `trainers.MODELS`.
        options: Its keyword arguments, such as `widths=[784, 300, 100, 10]` for "mlp".

    Raises:
        UnknownNameError: If there is no such network.
        SpecError: If it has no such option, needs another one, or rejects a value.
    """
    checked = component("model", MODELS, name, options)
    model = MODELS[name](**checked.options)
    remember(model, checked.to_mapping())
    return model


def build_network(
    spec: TrainSpec, *, device: torch.device, weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Builds a trial's network with its binarizers, all switched off.

    Args:
        spec: The trial.
        device: Where the network shall be.
        weights: Its first weights and statistics, with the names of a network without binarizers;
            None: drawn.
    """
    # Constructors draw from torch's global generator. The fork restores that generator, and all
    # weights are drawn again from ours.
    with torch.random.fork_rng(devices=[]):
        model = build_model(spec.model.name, **spec.model.options)
        model.to(torch.float32)
        initialise(model, generator(spec.seed, "weights"))
        draw = WEIGHT_INITS[spec.init.name](spec.keep, **spec.init.options)
        if draw is not None:
            draw_weights(model, draw, generator(spec.seed, "init"))
        _begin_normalisations(spec, model)
        model.to(device=device, dtype=_dtype(spec))
        if weights is not None:
            model.load_state_dict(dict(weights))
        binarize_weights(model, spec.layers.order, spec.weights.name, **spec.weights.options)
    initialise_binarizers(model, generator(spec.seed, "scores"))
    if spec.activations is not None:
        places, binarizer = spec.activations.layers, spec.activations.binarizer
        names = activated_modules(model) if places == ALL else places
        binarize_activations(model, names, binarizer.name, **binarizer.options)
    freeze_normalisations(model, spec.batch_norm.learn)
    return model


def build_task(
    spec: TrainSpec,
    *,
    data_dir: Path,
    device: torch.device,
    weights: Mapping[str, Tensor] | None = None,
    ranks: Ranks = ALONE,
) -> Task:
    """Builds everything that a trial trains with, in the state before its first epoch.

    Args:
        spec: The trial; stages before it have no part in this.
        data_dir: Folder of the data sets, and of files with a relative name.
        device: Where to train.
        weights: As for `build_network`.
        ranks: The processes that train the trial together.

    Raises:
        MissingDataError: If the data set is missing and cannot be downloaded.
        SpecError: If the augmentation needs bytes but the data set has none, or the teacher does
            not fit.
    """
    dtype = _dtype(spec)
    model = build_network(spec, device=device, weights=weights)
    source = spec.data.source
    splits = load_splits(source, data_dir=data_dir, test=spec.measure_test)
    if spec.data.augment.needs_bytes and splits.train.normalisation is None:
        raise SpecError(without_bytes(source.name).under("data"))
    is_gpu = device.type == "cuda"
    splits = on_gpu(splits, device, dtype) if is_gpu else splits.to(device, dtype)
    if spec.data.one_batch:
        splits = replace(splits, train=splits.train.first(spec.data.batch_size))
    rate = spec.optimizer.options["lr"]
    assert isinstance(rate, float)
    images = spec.data.batch_size * spec.data.accumulate
    rate = lr_of_step(rate, images=images, lr_batch=spec.lr_batch)
    loss = LOSSES[spec.loss.name](**spec.loss.options)
    freezing = None
    if spec.batch_norm.tuned_from is not None:
        freezing = Freezing.of(model, tuned_from=spec.batch_norm.tuned_from)
    return Task(
        model=model,
        optimizer=_optimizer(spec, model),
        loss=loss,
        splits=splits,
        schedule=spec.layers,
        lr=lr_schedule(
            spec.lr_schedule.name, lr=rate, epochs=spec.epochs, **spec.lr_schedule.options
        ),
        epochs=spec.epochs,
        batch_size=spec.data.batch_size,
        eval_batch_size=spec.data.eval_batch_size,
        accumulate=spec.data.accumulate,
        seed=spec.seed,
        autocast=_autocast(spec, device),
        augment=spec.data.augment,
        resets_latent=spec.latent_at_eval == "reset",
        freezing=freezing,
        clip_gradient=spec.clip_gradient,
        num_views=loss.num_views,
        memory_format=_memory_format(spec, model, device),
        added=added_losses(spec, model, data_dir=data_dir),
        ranks=ranks,
    )


@torch.no_grad()
def _begin_normalisations(spec: TrainSpec, model: nn.Module) -> None:
    source = generator(spec.seed, "batch_norm")
    for module in normalisations(model):
        if spec.batch_norm.momentum is not None:
            module.momentum = spec.batch_norm.momentum
        if module.affine:
            module.bias.fill_(spec.batch_norm.bias)
            if spec.batch_norm.weight == "uniform":
                module.weight.uniform_(0, PUBLISHED_NORM_WEIGHT, generator=source)


def _optimizer(spec: TrainSpec, model: nn.Module) -> torch.optim.Optimizer:
    """Makes the optimizer of all parameters with `requires_grad`.

    If there is none, of all parameters; without gradients none of them changes.
    """
    asking = [item for item in model.parameters() if item.requires_grad]
    asking = asking or list(model.parameters())
    parts: list[Any] = asking
    if not spec.batch_norm.decay:
        of_norms = {id(item) for module in normalisations(model) for item in module.parameters()}
        norms = [item for item in asking if id(item) in of_norms]
        others = [item for item in asking if id(item) not in of_norms]
        parts = [{"params": others}] if others else []
        parts += [{"params": norms, "weight_decay": 0.0}] if norms else []
    return OPTIMIZERS[spec.optimizer.name](parts, **spec.optimizer.options)


def load_splits(source: Component, *, data_dir: Path, test: bool = True) -> Splits:
    """Loads a data set on the CPU; a process that trains several trials on it reads it once.

    Args:
        source: Name and options of the data set.
        data_dir: Folder of the data sets.
        test: Also read the test part.

    Raises:
        MissingDataError: If the data set is missing and cannot be downloaded.
    """
    return _load_once(source.name, tuple(source.options.items()), data_dir, test)


@lru_cache(maxsize=1)
def _load_once(
    name: str, options: tuple[tuple[str, object], ...], data_dir: Path, test: bool
) -> Splits:
    load: Callable[..., Splits] = SOURCES[name].load
    return load(data_dir, test, **dict(options))


def _memory_format(spec: TrainSpec, model: nn.Module, device: torch.device) -> torch.memory_format:
    wanted = spec.channels_last
    if wanted is None:
        # Families were measured on CPUs alone.
        wanted = device.type == "cpu" and bool(getattr(model, "channels_last", False))
    return torch.channels_last if wanted else torch.preserve_format


def _dtype(spec: TrainSpec) -> torch.dtype:
    return torch.float64 if spec.precision == "float64" else torch.float32


def _autocast(spec: TrainSpec, device: torch.device) -> AbstractContextManager[object]:
    if spec.precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
