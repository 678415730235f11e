"""Estimates, before anything runs, the disk space of a sweep from shapes and counts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch

from orchestrator import vocabulary
from orchestrator.planning.planning import Plan
from orchestrator.study.cells import Cell
from orchestrator.study.checkpointing import Checkpointing
from trainers.binding import Component
from trainers.engine.checkpoint import NUM_NEWEST
from trainers.optim.optimizers import OPTIMIZERS
from trainers.spec.probe import model_layers, shared_model
from trainers.spec.train_spec import TrainSpec

# Measured on homes with some ten thousand points; only the order of magnitude matters.
TENSOR_BYTES = 450
"""For each tensor in a checkpoint, besides its values: its name and its entry in the file."""
EPOCH_BYTES, LAYER_BYTES = 450, 75
"""For each epoch in a checkpoint's history, and for each layer of that epoch."""
JOURNAL_BYTES, DATABASE_BYTES = 150, 330
"""For each point of a curve: in the journal, and in an embedded MLflow database."""
CELL_BYTES = 30_000
"""For each cell, besides its points: its run, its log, its artifacts."""
HOME_BYTES = 5_000_000
"""For a home in which a sweep runs: empty databases, and files of Ray."""


@dataclass(frozen=True, slots=True)
class Need:
    """The most bytes that a sweep writes.

    Args:
        checkpoints: In the storage of checkpoints, including stems (shared checkpoints).
        home: In the home: journal, embedded store, uploaded checkpoints.
    """

    checkpoints: int
    home: int


def need(todo: Plan, *, is_embedded: bool) -> Need:
    """Estimates what the remaining trials of a study write.

    Args:
        todo: The plan.
        is_embedded: Whether MLflow's database and artifacts are in the home, too.
    """
    policy = todo.study.checkpoint
    cells = todo.todo
    if todo.num_samples:
        largest = max(todo.study.trials, key=lambda cell: state_bytes(cell.train))
        cells = (largest,) * todo.num_todo
    kept = [(state_bytes(cell.train), num_kept(policy, cell.train.epochs)) for cell in cells]
    # A stage before keeps its best checkpoint too, as long as the trial keeps any.
    before = 0 if policy.policy == "none" else sum(_before_bytes(cell.train) for cell in cells)
    # A new checkpoint is complete before the old one is deleted, so one more fits at a time.
    largest_state = max((size for size, num in kept if num), default=0)
    checkpoints = sum(size * num for size, num in kept) + largest_state + before
    if todo.shares:
        checkpoints += _stem_bytes(todo, cells)
    home = HOME_BYTES + sum(_record_bytes(cell.train, is_embedded) for cell in cells)
    if is_embedded:
        home += sum(size * _num_uploaded(policy, num) for size, num in kept)
    return Need(checkpoints, home)


def _before_bytes(train: TrainSpec) -> int:
    return sum((NUM_NEWEST + 1) * state_bytes(stage) for stage in train.stages[:-1])


def num_kept(policy: Checkpointing, epochs: int) -> int:
    """The number of checkpoints that a finished trial of this many epochs keeps."""
    if policy.policy == "none":
        return 0
    if policy.policy == "every":
        num = math.ceil(epochs / policy.every)
        return min(num, policy.keep) if policy.keep else num
    return min(NUM_NEWEST, epochs) + (policy.policy == "best")


def state_bytes(train: TrainSpec) -> int:
    """Size of a checkpoint after the last epoch: weights, statistics, optimizer, history."""
    state, parameters = _sizes(train.model)
    num_copies, num_counts = _optimizer_state(train.optimizer)
    values = sum(state) + num_copies * sum(parameters)
    num_tensors = len(state) + (num_copies + num_counts) * len(parameters)
    history = train.epochs * (EPOCH_BYTES + len(model_layers(train.model)) * LAYER_BYTES)
    value_bytes = 8 if train.precision == "float64" else 4
    return values * value_bytes + num_tensors * TENSOR_BYTES + history


def _num_uploaded(policy: Checkpointing, num: int) -> int:
    counts: Mapping[str, int] = {"none": 0, "last": 1, "best": 1, "all": num}
    return counts[policy.upload]


def _stem_bytes(todo: Plan, cells: Iterable[Cell]) -> int:
    """Size of all stems, as if none were deleted before the end."""
    return sum(
        state_bytes(cell.train) * len(todo.starts[cell.id].leaves)
        for cell in cells
        if cell.id in todo.starts
    )


def _record_bytes(train: TrainSpec, is_embedded: bool) -> int:
    layers = len(model_layers(train.model))
    curves = len(vocabulary.CURVES) + layers * len(vocabulary.LAYER_CURVES)
    summaries = len(vocabulary.SUMMARIES) + len(vocabulary.IN_PERCENT)
    points = train.all_epochs * curves + summaries
    return CELL_BYTES + points * (JOURNAL_BYTES + (DATABASE_BYTES if is_embedded else 0))


@lru_cache(maxsize=64)
def _sizes(model: Component) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Values of each tensor of a model's state, and of each of its parameters."""
    built = shared_model(model)
    state = tuple(tensor.numel() for tensor in built.state_dict().values())
    return state, tuple(parameter.numel() for parameter in built.parameters())


@lru_cache(maxsize=64)
def _optimizer_state(optimizer: Component) -> tuple[int, int]:
    """Tensors that an optimizer keeps for each parameter: of the same shape, and of another."""
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    made = OPTIMIZERS[optimizer.name]([parameter], **optimizer.options)
    made.step()
    state = made.state_dict()["state"].get(0, {}).values()
    shapes = [value.shape for value in state if isinstance(value, torch.Tensor)]
    return shapes.count(parameter.shape), len(shapes) - shapes.count(parameter.shape)
