"""Recorded steps: the bits of steps that Python starts, and a way on where recording fails."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

import torch
from runs import families, trial_of
from setting import Case, Setting
from synthetic import synthetic_data, trial
from tape import Tape
from torch import Tensor

import trainers
from trainers.binarize.ste import sign_ste
from trainers.binarize.weights import WEIGHT_BINARIZERS, SignBinarizer
from trainers.engine import captured
from trainers.engine.captured import Captured
from trainers.engine.result import TrainResult
from trainers.engine.step import Step
from trainers.engine.task import Task
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions

STEPS = captured.WARM_UP + 3
CONV = {"name": "conv", "depth": 4, "width": 0.25}
OPTIONS: dict[str, dict[str, Any]] = {
    "biprop_global": {"ramp_epochs": 1, "keep": 0.3},
    "sign": {"clip": 1.0},
}


@dataclass
class Steps:
    """How the steps of a run were made, and what it noted."""

    made: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def refusals(self) -> list[str | None]:
        """Why steps were not recorded, for each stage of the run."""
        return [step.refusal for step in self.made if isinstance(step, Captured)]


@contextmanager
def as_on_a_gpu(device: torch.device, steps: Steps, *, graphs: bool = True) -> Iterator[None]:
    """Within it, runs make their steps as a GPU's do; `steps` gets them.

    On a CPU a tape records, and binarizers work as they do on a GPU.
    """
    usual = captured.step_of

    def made(task: Task) -> Step:
        if device.type == "cuda":
            step = usual(task)
        elif next(task.model.parameters()).dtype != torch.float32:
            step = Step(task)
        elif graphs:
            step = Captured(task, Tape(partial(changed_by, task)), rate=torch.zeros(()))
        else:
            step = Step(task, rate=torch.zeros(()))
        steps.made.append(step)
        return step

    with ExitStack() as stack:
        stack.enter_context(mock.patch("trainers.engine.fit.step_of", made))
        if device.type == "cpu":
            weights = "trainers.binarize.weights"
            free = mock.patch(f"{weights}.scores.waits_are_free", return_value=False)
            by_torch = mock.patch(f"{weights}.dab._sorted", lambda rows: rows.sort(1).values)
            stack.enter_context(free)
            stack.enter_context(by_torch)
        yield


def changed_by(task: Task) -> list[Tensor]:
    """The tensors that a step changes in place."""
    states = [value for state in task.optimizer.state.values() for value in state.values()]
    added = [value for part in task.added for value in part.state().values()]
    kept = [*task.model.parameters(), *task.model.buffers(), *added]
    return kept + [value for value in states if isinstance(value, Tensor)]


def run(
    spec: TrainSpec, device: torch.device, *, graphs: bool = True, train: int | None = None
) -> tuple[TrainResult, Steps]:
    """Trains on synthetic images, `train` of them or those of some steps and a smaller batch."""
    steps = Steps()
    train = STEPS * spec.data.batch_size + 3 if train is None else train
    options = RunOptions(device=str(device), deterministic=True, graphs=graphs)
    with synthetic_data(train=train, evaluated=20), as_on_a_gpu(device, steps, graphs=graphs):
        return trainers.run(spec, options=options, note=steps.notes.append), steps


def cases(setting: Setting) -> list[Case]:
    """A network of each family, each weight binarizer, and ways that need care."""
    names = ["mlp"] if setting.quick else families()
    found: list[Case] = [(name, partial(same, network(name), setting)) for name in names]
    for name in setting.some([name for name in WEIGHT_BINARIZERS if name != "sign"]):
        weights = {"name": name, **OPTIONS.get(name, {})}
        found.append((name, partial(same, short_trial(weights=weights), setting)))
    found += [(name, partial(same, short_trial(**more), setting)) for name, more in WAYS.items()]
    return [*found, ("recording fails", partial(_goes_on, setting))]


def network(name: str) -> TrainSpec:
    slow = {"name": "sgd", "lr": 1e-4, "momentum": 0.9}
    return trial_of(name, epochs=2, optimizer=slow, data={"batch_size": 4})


def short_trial(**changes: Any) -> TrainSpec:
    common = {"epochs": 3, "layers": {"order": ["conv2", "conv1"], "epochs_per_layer": 1}}
    return trial(CONV, image=(3, 32, 32), **(common | {"data": {"batch_size": 4}} | changes))


WAYS: dict[str, dict[str, Any]] = {
    "layer by layer, Adam, rates": {
        "optimizer": {"name": "adam", "lr": 0.01},
        "lr_schedule": {"name": "multistep", "milestones": [1, 2], "gamma": 0.1},
    },
    "published reset, clipping": {"latent_at_eval": "reset", "clip_gradient": 0.001},
    "centralized gradients, clamped": {
        "optimizer": {"name": "sgd", "lr": 1e-3, "momentum": 0.9, "grad_centralization": True},
        "weights": {"name": "sign", "clip": 1.0},
    },
    "bfloat16, channels last": {"precision": "bfloat16", "channels_last": True},
    "augmented": {"data": {"batch_size": 4, "augment": {"crop": 4, "flip": True}}},
}


def same(spec: TrainSpec, setting: Setting) -> None:
    here, steps = run(spec, setting.device)
    there, _ = run(spec, setting.device, graphs=False)
    drawn = not WEIGHT_BINARIZERS[spec.weights.name].capturable
    refused = [reason for reason in steps.refusals if reason is not None]
    assert bool(refused) == drawn, f"not recorded: {refused}"
    recorded = [step._recording is not None for step in steps.made if isinstance(step, Captured)]
    assert recorded == [not drawn] * len(steps.made), "a run made its steps in another way"
    assert not steps.notes, f"noted: {steps.notes}"
    losses = [[epoch.train.loss for epoch in result.epochs] for result in (here, there)]
    assert losses[0] == losses[1], f"losses are {losses[0]}, without recordings {losses[1]}"
    assert here.weights_sha256 == there.weights_sha256, "it ends with other bits"


class _Looking(SignBinarizer):
    """Looks at a result, which waits for the device."""

    def binarize(self, latent: Tensor) -> Tensor:
        """The sign, unless all weights are 0."""
        return sign_ste(latent) if latent.abs().sum().item() else latent


def _goes_on(setting: Setting) -> None:
    # With dropout where that takes no time: torch's generator is part of a recording.
    spec = short_trial() if setting.quick else network("bincifar")
    with mock.patch.dict(WEIGHT_BINARIZERS, sign=_Looking):
        here, steps = run(spec, setting.device)
        there, _ = run(spec, setting.device, graphs=False)
    assert len(steps.notes) == 1, f"noted: {steps.notes}"
    assert "recording failed" in steps.notes[0], steps.notes[0]
    assert here.weights_sha256 == there.weights_sha256, "it ends with other bits"
