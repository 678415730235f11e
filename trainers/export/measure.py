"""Measures an exported network: on its data, and against the network it was exported from."""

from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn

from trainers.build import load_splits
from trainers.data.batches import ordered_batches
from trainers.data.splits import Split, Splits
from trainers.engine.evaluate import evaluate
from trainers.engine.result import Scores
from trainers.errors import Fault, SpecError
from trainers.export.load import PackedFile
from trainers.losses import LOSSES
from trainers.spec.train_spec import TrainSpec


def measured(file: PackedFile, *, data_dir: Path) -> dict[str, Scores]:
    """Scores on the validation part and, if the trial measured it, the test part.

    Args:
        file: An exported network whose metadata holds its trial, under `spec`.
        data_dir: Folder of the data sets.

    Raises:
        SpecError: If the metadata holds no trial.
        MissingDataError: If the data set is missing and cannot be downloaded.
    """
    if "spec" not in file.metadata:
        what = "is missing: without the trial there is no data set to measure on"
        raise SpecError(Fault("metadata.spec", what, "an export writes it"))
    spec = TrainSpec.from_mapping(file.metadata["spec"])
    network = file.network()
    splits = splits_of(spec, data_dir=data_dir)
    parts = {"validation": splits.validation, "test": splits.test}
    return {
        name: evaluate(
            network,
            split,
            loss=LOSSES[spec.loss.name](**spec.loss.options),
            batch_size=spec.data.eval_batch_size,
            autocast=nullcontext(),
        )
        for name, split in parts.items()
        if split is not None
    }


def splits_of(spec: TrainSpec, *, data_dir: Path) -> Splits:
    """Loads a trial's data on the CPU, in the precision of its network.

    Raises:
        MissingDataError: If the data set is missing and cannot be downloaded.
    """
    dtype = torch.float64 if spec.precision == "float64" else torch.float32
    splits = load_splits(spec.data.source, data_dir=data_dir, test=spec.measure_test)
    return splits.to(torch.device("cpu"), dtype)


@torch.no_grad()
def largest_difference(first: nn.Module, second: nn.Module, split: Split, *, most: int) -> float:
    """Largest difference between the logits of two networks; 0: equal bits, except for -0.

    Args:
        first: A network in evaluation mode, on the CPU.
        second: Likewise.
        split: Split whose first images are used.
        most: How many images to use.
    """
    largest, seen = 0.0, 0
    for batch in ordered_batches(split, size=min(most, 250)):
        images = batch.images[: most - seen]
        left, right = first(images), second(images)
        if not torch.equal(left, right):
            largest = max(largest, (left - right).abs().max().item())
        seen += len(images)
        if seen >= most:
            break
    return largest
