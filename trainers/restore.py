"""A trained network from the checkpoints of its trial, without training and without data."""

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
from trainers.spec.train_spec import TrainSpec
from trainers.storage import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A trained network.

    Args:
        model: On the CPU, in evaluation mode; its layers binary as they end.
        epoch: After which it was saved.
        which: best: of the lowest validation error among those of the final network; last.
        weights_sha256: Digest of its weights and statistics.
    """

    model: nn.Module
    epoch: EpochMetrics
    which: Literal["best", "last"]
    weights_sha256: str


def restored(spec: TrainSpec, folder: Place) -> Restored | None:
    """The best network of a trial that is kept, else the last; None if neither is.

    A checkpoint counts only from the epoch on in which every layer is binary that shall be, and
    no more weights are kept than shall be in the end.

    Args:
        spec: The trial.
        folder: The trial's own folder of checkpoints, here or behind a URL.
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
            epoch=checkpoint.history[-1],
            which="best" if which == "best" else "last",
            weights_sha256=weights_sha256(model),
        )
    return None


def identity(spec: TrainSpec) -> str:
    """A text that is equal for trials that train the same, and whose checkpoints are the same."""
    return json.dumps(spec.canonical().to_mapping(), sort_keys=True)
