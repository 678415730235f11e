"""What an exported file's network computes, against the one it was made of and on its data."""

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
    """Loss and accuracy on the validation and, where the trial had one, the test part.

    Args:
        file: An exported network whose metadata has its trial, under `spec`.
        data_dir: Where data sets lie.

    Raises:
        SpecError: If the metadata has no trial.
        MissingDataError: If the data set is neither there nor to be downloaded.
    """
    if "spec" not in file.metadata:
        what = "does not say which trial it comes from, and so not what to measure it on"
        raise SpecError(Fault("metadata.spec", what, "bnn-orchestrate export puts it in"))
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
    """A trial's data on the CPU, in the precision of its network.

    Raises:
        MissingDataError: If it is neither there nor to be downloaded.
    """
    dtype = torch.float64 if spec.precision == "float64" else torch.float32
    splits = load_splits(spec.data.source, data_dir=data_dir, test=spec.measure_test)
    return splits.to(torch.device("cpu"), dtype)


@torch.no_grad()
def largest_difference(first: nn.Module, second: nn.Module, split: Split, *, most: int) -> float:
    """How far the logits of two networks are apart; 0: they are the same bits, but for -0.

    Args:
        first: In evaluation mode, on the CPU.
        second: Likewise.
        split: Whose images to take, from the first on.
        most: How many.
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
