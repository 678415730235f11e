"""Restores a trained network from its trial's checkpoints, without training or data."""

import json
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from trainers.binarize.attach import set_binary
from trainers.build import build_network
from trainers.engine.checkpoint import CheckpointPolicy, Checkpoints
from trainers.engine.latent import weights_sha256
from trainers.engine.result import EpochMetrics
from trainers.engine.stages import later
from trainers.spec.train_spec import TrainSpec
from trainers.storage import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A trained network from a checkpoint.

    Args:
        model: The network on the CPU, in evaluation mode, with its final binary layers.
        epoch: Metrics of the epoch after which it was saved.
        which: best: lowest validation error among epochs of the final network; last: newest.
        weights_sha256: Digest of its weights and statistics.
    """

    model: nn.Module
    epoch: EpochMetrics
    which: Literal["best", "last"]
    weights_sha256: str


def restored(spec: TrainSpec, folder: Place) -> Restored | None:
    """Loads the best network of a trial, else the last one; None if no usable one is kept.

    A checkpoint is usable only from the epoch on in which the network has its final form: all
    layers of the order are binary, and only the final share of weights is kept.

    Args:
        spec: The trial.
        folder: The trial's own checkpoint folder, local or remote.
    """
    checkpoints = Checkpoints(folder, policy=CheckpointPolicy(), identity=identity(spec))
    found = {"best": checkpoints.load_best(), "last": checkpoints.load()}
    for which, checkpoint in found.items():
        if checkpoint is None or checkpoint.history[-1].epoch < spec.final_from:
            continue
        model = build_network(spec, device=torch.device("cpu"))
        model.load_state_dict(checkpoint.model)
        set_binary(model, spec.layers.order)
        return Restored(
            model=model.eval(),
            epoch=later(checkpoint.history[-1], begun=spec.epochs_before),
            which="best" if which == "best" else "last",
            weights_sha256=weights_sha256(model),
        )
    return None


def identity(spec: TrainSpec) -> str:
    """Returns a text that is equal for trials with equal training, which share checkpoints."""
    return json.dumps(spec.identity(), sort_keys=True)
