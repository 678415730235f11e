"""Exports a recorded cell's network to a file and verifies the file."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import labels_of
from orchestrator.process.waiting import waiting_for
from orchestrator.record.store import Store
from orchestrator.results.mlflow_model import cell_tags, log_network
from trainers.data import SOURCES
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.errors import Fault, MissingDataError, SpecError
from trainers.export.load import PackedFile, read_packed
from trainers.export.measure import largest_difference, splits_of
from trainers.export.onnx import export_onnx
from trainers.export.pack import export_packed
from trainers.restore import Restored, restored
from trainers.spec.train_spec import TrainSpec
from trainers.storage import Place
from trainers.training import RunOptions, run

Format = Literal["packed", "packbits", "onnx"]
VERIFIED_IMAGES = 1000
"""Number of validation images on which logits are compared."""


class NoCheckpointError(SpecError):
    """No network of a cell is kept where it was looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedCell:
    """A cell's network and the metadata for its file.

    Args:
        run_id: MLflow's run.
        spec: The trial's spec.
        network: The network with its binarizers.
        metadata: Study, labels, trial, epoch, metrics.
    """

    run_id: str
    spec: TrainSpec
    network: Restored
    metadata: Mapping[str, object]

    @property
    def title(self) -> str:
        """The study and the labels: `digits-orders: order forward, seed 316`."""
        labels = self.metadata["labels"]
        assert isinstance(labels, dict)
        name = ", ".join(f"{axis} {label}" for axis, label in labels.items())
        return f"{self.metadata['study']}: {name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """The result of an export.

    Args:
        file: The file's content; None for ONNX.
        model_uri: The URI by which MLflow loads or serves it; empty for ONNX.
        verified: Whether the file's network gives the same logits, bit for bit; None: not
            compared.
        why: Why it was not compared, or how the logits differ.
        num_images: Number of validation images compared.
    """

    file: PackedFile | None
    model_uri: str
    verified: bool | None
    why: str = ""
    num_images: int = 0


def recorded_trial(store: Store, run_id: str) -> tuple[dict[str, str], TrainSpec]:
    """The tags of a finished cell's run, and its trial.

    Raises:
        StoreError: If there is no such run, or it is not a finished cell.
        SpecError: If the trial was not recorded.
    """
    tags = cell_tags(store, run_id)
    if vocabulary.TRAIN not in tags:
        what = "was recorded by an earlier version, which did not record the whole trial"
        raise SpecError(Fault(run_id, what, "sweep the study again in another --home"))
    return tags, TrainSpec.from_mapping(json.loads(tags[vocabulary.TRAIN]))


def trained_cell(
    store: Store, checkpoints: Place, run_id: str, *, retrain: bool, threads: int, data_dir: Path
) -> TrainedCell:
    """The network of a finished cell: the best checkpoint if it was kept, else the last.

    Args:
        store: The store with the run.
        checkpoints: Where checkpoints are stored, one folder for each trial.
        run_id: MLflow's run.
        retrain: If no checkpoint was kept, train the trial again, on this machine's CPU.
        threads: torch's threads for that; the trials of a sweep use one by default.
        data_dir: Where data sets are stored.

    Raises:
        StoreError: If there is no such run, or it is not a finished cell.
        NoCheckpointError: If no network was kept.
        SpecError: If training again gives other bits.
    """
    tags, spec = recorded_trial(store, run_id)
    recorded = tags.get(vocabulary.WEIGHTS_SHA256, "")
    with waiting_for(f"the checkpoint in {checkpoints}"):
        network = restored(spec, checkpoints / tags[vocabulary.TRIAL])
    if network is None and retrain:
        with waiting_for(f"the trial, which is trained again for {spec.all_epochs:,} epochs"):
            network = _retrained(spec, recorded, threads=threads, data_dir=data_dir)
    if network is None:
        what = f"has no checkpoint of its {spec.epochs} epochs in {checkpoints}"
        hint = "add --retrain to train it again here; or name the --storage that keeps it"
        raise NoCheckpointError(Fault(run_id, what, hint))
    if network.which == "last" and recorded not in ("", network.weights_sha256):
        what = "has a last checkpoint that differs from the recorded network"
        raise SpecError(Fault(run_id, what, "add --retrain, in a --home without this checkpoint"))
    return TrainedCell(
        run_id=run_id, spec=spec, network=network, metadata=_metadata(run_id, tags, spec, network)
    )


def export_cell(
    store: Store, cell: TrainedCell, path: Path, *, format: Format, data_dir: Path
) -> Exported:
    """Writes the file, compares it with the network, and records it in MLflow.

    Raises:
        SpecError: If the network cannot be written in this format.
        OSError: If the file cannot be written.
    """
    facts = SOURCES[cell.spec.data.source.name].facts(cell.spec.data.source.options)
    model = cell.network.model
    if format == "onnx":
        with waiting_for("ONNX to write and check the file"):
            export_onnx(model, path, cell.metadata, shape=facts.shape)
        with waiting_for("MLflow to take the file"):
            store.log_file(cell.run_id, path)
        return Exported(file=None, model_uri="", verified=None, why="ONNX rounds otherwise")
    export_packed(model, path, cell.metadata, format=format)
    file = read_packed(path)
    with waiting_for("the file to be compared with the network"):
        compared = _compared(cell, file, data_dir=data_dir)
    outputs = _num_outputs(model, facts.shape)
    with waiting_for("MLflow to take the network"):
        uri = log_network(store, cell.run_id, path, shape=facts.shape, num_outputs=outputs)
    tags = {vocabulary.EXPORT: file.checksum}
    tags[vocabulary.EXPORT_VERIFIED] = "true" if compared.verified else "false"
    store.set_tags(cell.run_id, tags)
    return replace(compared, model_uri=uri)


@torch.no_grad()
def _num_outputs(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """Number of scores of a network; published networks may have more scores than classes."""
    dtype = next(model.parameters()).dtype
    scores: Tensor = model(torch.zeros(1, *shape, dtype=dtype))
    return scores.shape[1]


def _compared(cell: TrainedCell, file: PackedFile, *, data_dir: Path) -> Exported:
    """Compares the logits of both networks; says why if the data set is missing."""
    try:
        split = splits_of(cell.spec, data_dir=data_dir).validation
    except MissingDataError as error:
        return Exported(file=file, model_uri="", verified=None, why=str(error))
    apart = largest_difference(cell.network.model, file.network(), split, most=VERIFIED_IMAGES)
    return Exported(
        file=file,
        model_uri="",
        verified=apart == 0,
        why=f"logits are up to {apart:.3g} apart" if apart else "",
        num_images=min(VERIFIED_IMAGES, len(split)),
    )


def _retrained(spec: TrainSpec, recorded: str, *, threads: int, data_dir: Path) -> Restored | None:
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            device="cpu",
            num_threads=threads,
            data_dir=data_dir,
            checkpoint_dir=Path(folder),
            checkpoints=CheckpointPolicy(policy="best"),
        )
        result = run(spec, options=options)
        if result.weights_sha256 != recorded:
            what = f"training again ended with {result.weights_sha256[:12]}, not {recorded[:12]}"
            hint = "another --threads, machine or version of torch rounds otherwise"
            raise SpecError(Fault("weights_sha256", what, hint))
        return restored(spec, Path(folder))


def _metadata(
    run_id: str, tags: Mapping[str, str], spec: TrainSpec, network: Restored
) -> dict[str, object]:
    epoch = network.epoch
    metrics = {"validation_error": epoch.validation.error}
    if epoch.test is not None:
        metrics["test_error"] = epoch.test.error
    return {
        "study": tags[vocabulary.STUDY],
        "labels": labels_of(tags),
        "trial": tags[vocabulary.TRIAL],
        "run": run_id,
        "weights": network.which,
        "epoch": epoch.epoch,
        "metrics": metrics,
        "spec": spec.to_mapping(),
    }
