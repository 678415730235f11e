"""Trains one trial from start to end, in this process."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.build import build_task
from trainers.engine.added import state_of
from trainers.engine.callbacks import Callback
from trainers.engine.checkpoint import Checkpoint, CheckpointPolicy, Checkpoints, Note
from trainers.engine.fit import fit
from trainers.engine.handover import Sharer, shared_checkpoint
from trainers.engine.latent import weights_sha256
from trainers.engine.memory import limited_to, naming_batches
from trainers.engine.ranks import ALONE, Ranks
from trainers.engine.result import EpochMetrics, TrainResult, selected
from trainers.engine.stages import Later, Selecting, Weights, later
from trainers.engine.task import Task
from trainers.errors import SpecError
from trainers.process import device_of, process_settings
from trainers.restore import identity
from trainers.spec.stages import BEFORE
from trainers.spec.train_spec import TrainSpec
from trainers.storage import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """Where and how a trial runs; no option here may change its result.

    Args:
        device: "auto" (CUDA if available), "cpu", "cuda", "cuda:1", ...
        num_threads: Number of torch's threads; None: unchanged.
        data_dir: Folder of the data sets, also for downloads; None: BNN_DATA_DIR, else ./data.
        checkpoint_dir: The trial's own checkpoint folder, local or remote (see
            `trainers.place_at`); an interrupted run of the same trial resumes from it. None: no
            checkpoints.
        checkpoints: Which checkpoints to keep.
        deterministic: Raise an error for CUDA operations whose result depends on thread order.
        graphs: On a GPU, record a training step and replay it where that is possible, which spares
            Python's time; changes only rounding, with `deterministic` no bit.
        start: Folder of another trial's shared checkpoint to start from; ignored if it is missing
            or damaged. The caller guarantees that this trial would reach the same state itself.
        leave: Folders in which to write shared checkpoints, by the number of epochs trained.
        name: Marks this trial's epochs in its shared checkpoints.
        ranks: The processes that train the trial together; each calls `run` with the same spec.
            More of them than one change the rounding. Only the first has checkpoints.
        memory_share: Most of a GPU's memory that torch takes for this process, in (0, 1]; the
            CUDA context comes on top.
    """

    device: str = "auto"
    num_threads: int | None = None
    data_dir: Path | None = None
    checkpoint_dir: Place | None = None
    checkpoints: CheckpointPolicy = field(default_factory=CheckpointPolicy)
    deterministic: bool = False
    graphs: bool = True
    start: Place | None = None
    leave: Mapping[int, Place] = field(default_factory=dict)
    name: str = "another trial"
    ranks: Ranks = ALONE
    memory_share: float = 1.0

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            SpecError: If the number of threads, or of epochs in `leave`, is below 1, or if the
                share of memory is out of range.
        """
        if self.num_threads is not None and self.num_threads < 1:
            raise SpecError(f"num_threads must be 1 or more, got {self.num_threads}")
        if min(self.leave, default=1) < 1:
            raise SpecError(f"leave counts epochs from 1, got {min(self.leave)}")
        if not 0 < self.memory_share <= 1:
            raise SpecError(
                f"memory_share must be more than 0 and at most 1, got {self.memory_share}"
            )


def run(
    spec: TrainSpec,
    callbacks: Sequence[Callback] = (),
    *,
    options: RunOptions | None = None,
    note: Note | None = None,
) -> TrainResult:
    """Trains a trial to its end, from its furthest available checkpoint.

    That is its own last checkpoint, the shared checkpoint it was given to start from, or a shared
    checkpoint that it wrote itself before an interruption.

    The result depends only on the spec: not on what this process did before, not on interruptions,
    and not on who trained the first epochs. On a CPU the weights are the same bits for the same
    number of threads and of processes. Stages before are trained first, and epochs are counted
    over all stages.

    Args:
        spec: The trial.
        callbacks: Called for every epoch, also for epochs trained before an interruption or by
            another trial, which come first. Of several processes, only the first calls them.
        options: Where and how to run.
        note: Receives one sentence for each checkpoint that could not be written or used, which is
            also logged.

    Raises:
        MissingDataError: If the data set is missing and cannot be downloaded.
        BadLossError: If the training loss is no longer finite.
        OutOfMemoryError: If the device has too little memory for the trial's batches.
        SpecError: If the device does not exist here.
    """
    options = options or RunOptions()
    device = device_of(options.device)
    # A caller's no_grad or inference_mode must not affect training.
    with (
        process_settings(
            tf32=spec.precision == "tf32",
            num_threads=options.num_threads,
            deterministic=options.deterministic,
        ),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        return _trained(spec, callbacks, options, note, device=device)[0]


def _trained(
    spec: TrainSpec,
    callbacks: Sequence[Callback],
    options: RunOptions,
    note: Note | None,
    *,
    device: torch.device,
    hands_on: bool = False,
) -> tuple[TrainResult, Weights | None]:
    """Trains all stages of a trial; returns the result, and the weights that it hands on.

    Args:
        spec: The trial.
        callbacks: As for `run`; of a later stage, epochs are counted on.
        options: As for `run`.
        note: As for `run`.
        device: Where to train.
        hands_on: Return the latent weights of the selected epoch. They are None if it was trained
            before an interruption and no checkpoint of it can be used.
    """
    ranks = options.ranks
    begun: tuple[EpochMetrics, ...] = ()
    weights: Weights | None = None
    if spec.before is not None:
        begun, weights = _trained_before(spec.before, callbacks, options, note, device=device)
    sizes = {"batch_size": spec.data.batch_size, "eval_batch_size": spec.data.eval_batch_size}
    with naming_batches(device, **sizes), limited_to(options.memory_share, device):
        task = build_task(
            spec, data_dir=_data_dir(options), device=device, weights=weights, ranks=ranks
        )
        task = replace(task, graphs=options.graphs, note=note)
        ranks.ready()
        checkpoints = _checkpoints(spec, options, note) if ranks.rank == 0 else None
        state = _furthest(task, options, checkpoints, note) if ranks.rank == 0 else None
        history = _restore(task, ranks.told(_plain(state)), name=options.name)
        selecting = Selecting(task, num_restored=len(history)) if hands_on else None
        listeners: list[Callback] = []
        if ranks.rank == 0:
            listeners = _listeners(
                task, options, checkpoints, note, selecting, num_restored=len(history)
            )
            listeners += [Later(callback, begun=len(begun)) for callback in callbacks]
        epochs = fit(task, history=history, callbacks=listeners)
    result = TrainResult(
        epochs=(*begun, *(later(metrics, begun=len(begun)) for metrics in epochs)),
        final_from=len(begun) + spec.final_from,
        weights_sha256=weights_sha256(task.model),
        model=task.model,
        epochs_before=len(begun),
    )
    if selecting is None:
        return result, None
    kept = selecting.weights(checkpoints, fits=_fits(task)) if ranks.rank == 0 else None
    return result, ranks.told(kept)


def _listeners(
    task: Task,
    options: RunOptions,
    checkpoints: Checkpoints | None,
    note: Note | None,
    selecting: Selecting | None,
    *,
    num_restored: int,
) -> list[Callback]:
    """Returns what follows a stage in the first process, before the caller's callbacks."""
    listeners: list[Callback] = []
    if options.leave:
        # First, so that later callbacks can rely on the shared checkpoint.
        listeners.append(
            Sharer(task, options.leave, name=options.name, num_restored=num_restored, note=note)
        )
    if selecting is not None:
        listeners.append(selecting)
    if checkpoints is not None:
        # Before the caller's callbacks: they may stop the trial, and the epoch is saved then.
        listeners.append(_Keeper(task, checkpoints, num_restored=num_restored))
    return listeners


def _trained_before(
    spec: TrainSpec,
    callbacks: Sequence[Callback],
    options: RunOptions,
    note: Note | None,
    *,
    device: torch.device,
) -> tuple[tuple[EpochMetrics, ...], Weights]:
    """Trains the stage before a trial, in a folder of its own inside of the trial's.

    Returns:
        Its epochs, and the weights that the trial begins with.
    """
    folder, policy = options.checkpoint_dir, options.checkpoints
    if policy.policy != "none":
        # Whatever the trial itself keeps: it begins with the best weights of this stage.
        interval_s = policy.interval_s
        policy = CheckpointPolicy(policy="best", interval_s=interval_s)
    own = replace(
        options,
        checkpoint_dir=None if folder is None else folder / BEFORE,
        checkpoints=policy,
        start=None,
        leave={},
    )
    result, weights = _trained(spec, callbacks, own, note, device=device, hands_on=True)
    if weights is None:
        text = "the best checkpoint of the stage before is lost; the stage is trained again"
        log.warning("%s", text)
        if note is not None:
            note(text)
        alone = replace(own, checkpoint_dir=None)
        # The callbacks know of its epochs already.
        result, weights = _trained(spec, (), alone, note, device=device, hands_on=True)
    assert weights is not None
    return result.epochs, weights


def _furthest(
    task: Task, options: RunOptions, checkpoints: Checkpoints | None, note: Note | None
) -> Checkpoint | None:
    """Returns the furthest available state; None if there is none."""
    fits = _fits(task)
    found: list[Checkpoint | None] = [checkpoints.load(fits) if checkpoints else None]
    if options.start is not None:
        found.append(shared_checkpoint(options.start, fits=fits, note=note))
        if found[-1] is None:
            log.warning("no usable shared checkpoint in %s; trained without it", options.start)
    found += [shared_checkpoint(folder, fits=fits, note=note) for folder in options.leave.values()]
    states = [state for state in found if state and len(state.history) <= task.epochs]
    return max(states, key=lambda state: len(state.history), default=None)


def _plain(state: Checkpoint | None) -> dict[str, Any] | None:
    """Returns a state as values that other processes can be told."""
    if state is None:
        return None
    history = [metrics.to_mapping() for metrics in state.history]
    parts = {"model": state.model, "optimizer": state.optimizer, "added": state.added}
    return {"history": history} | {name: dict(part) for name, part in parts.items()}


def _restore(task: Task, plain: dict[str, Any] | None, *, name: str) -> tuple[EpochMetrics, ...]:
    """Loads a state into model and optimizer; returns its epochs."""
    if plain is None:
        return ()
    history = [EpochMetrics.from_mapping(item) for item in plain.pop("history")]
    state = Checkpoint(history=tuple(history), **plain)
    task.model.load_state_dict(state.model)
    task.optimizer.load_state_dict(dict(state.optimizer))
    for part in task.added:
        part.load(state.added)
    # Epochs from a shared checkpoint that this trial wrote itself are its own.
    return tuple(
        replace(metrics, source="") if metrics.source == name else metrics
        for metrics in state.history
    )


def _fits(task: Task) -> Callable[[Checkpoint], bool]:
    """Returns a check that a state fits this model, its optimizer and its loss exactly.

    Only a forged state does not fit; loading half of it would be worse than not loading it.
    """
    shapes = _shapes(task.model.state_dict())
    added = _shapes(state_of(task.added))
    sizes = [len(group["params"]) for group in task.optimizer.param_groups]
    parameters = [p for group in task.optimizer.param_groups for p in group["params"]]

    def fits(found: Checkpoint) -> bool:
        try:
            if _shapes(found.model) != shapes or _shapes(found.added) != added:
                return False
            groups, state = found.optimizer["param_groups"], found.optimizer["state"]
            return sizes == [len(group["params"]) for group in groups] and all(
                value is None or value.shape in ((), parameters[index].shape)
                for index, values in state.items()
                for value in values.values()
            )
        except (AttributeError, IndexError, KeyError, TypeError):
            return False

    return fits


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


class _Keeper:
    """Saves the state after each epoch."""

    def __init__(self, task: Task, checkpoints: Checkpoints, *, num_restored: int) -> None:
        self.task = task
        self.checkpoints = checkpoints
        self.num_restored = num_restored
        self.history: list[EpochMetrics] = []

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        self.history.append(metrics)
        if len(self.history) <= self.num_restored:
            return
        final_from = self.task.final_from
        is_final = metrics.epoch >= final_from
        self.checkpoints.save(
            model=self.task.model,
            optimizer=self.task.optimizer,
            history=self.history,
            best=is_final and selected(self.history, final_from=final_from) is metrics,
            last=metrics.epoch == self.task.epochs - 1,
            added=state_of(self.task.added),
        )


def _checkpoints(spec: TrainSpec, options: RunOptions, note: Note | None) -> Checkpoints | None:
    if options.checkpoint_dir is None:
        return None
    return Checkpoints(
        options.checkpoint_dir,
        policy=options.checkpoints,
        identity=identity(spec),
        note=note,
    )


def _data_dir(options: RunOptions) -> Path:
    return options.data_dir or Path(os.environ.get("BNN_DATA_DIR") or "data")
