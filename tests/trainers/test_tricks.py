"""Trials with the published training tricks, from a spec to an exported file."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers import (
    LayerSchedule,
    RunOptions,
    TrainSpec,
    activated_modules,
    build_model,
    export_packed,
    load_packed,
    run,
)
from trainers.data.augment import Augment
from trainers.data.splits import Normalisation, Split, Splits
from trainers.engine.fit import train_one_epoch
from trainers.engine.task import Task
from trainers.optim.optimizers import OPTIMIZERS
from trainers.spec.probe import model_places

CPU = RunOptions(device="cpu", num_threads=1)
MODEL = {"name": "bireal_resnet", "in_channels": 1, "width_factor": 0.0625}
OFF = {"block": "bireal", "activation": "none", "double_skip": False, "downsample": "strided"}
BASE: dict[str, Any] = {
    "model": {**MODEL, **OFF},
    "data": {"name": "digits", "batch_size": 128},
    "optimizer": {"name": "adam", "lr": 0.002},
    "activations": {"name": "sign"},
    "layers": {"order": ["layer1.0.unit1.conv"]},
    "epochs": 1,
}
TRICKS: dict[str, dict[str, Any]] = {
    "block": {"model": {"block": "tricks"}},
    "prelu": {"model": {"activation": "prelu"}},
    "double_skip": {"model": {"double_skip": True}},
    "downsample": {"model": {"downsample": "v1"}},
    "rates": {"lr_schedule": {"name": "multistep", "milestones": [1], "gammas": [0.2]}},
    "warm_up": {"lr_schedule": {"name": "constant", "warmup": 1, "warmup_lr": 1e-3}},
    "mixup": {"data": {"augment": {"mixup": {}}}},
    "momentum": {"batch_norm": {"momentum": 0.2}},
    "attention": {"model": {"attention": "se"}},
    "label_smoothing": {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}},
    "width": {"model": {"width_factor": 0.125, "groups": 2}},
    "leaky_clip": {"activations": {"name": "leaky_clip"}},
    "hard_clip": {"activations": {"name": "hard_clip"}},
    "closed_sign": {"activations": {"name": "sign", "closed": True}},
    "grad_centralization": {"optimizer": {"grad_centralization": True}},
}


def _with(*tricks: str) -> dict[str, Any]:
    mapping = copy.deepcopy(BASE)
    for trick in tricks:
        for key, options in TRICKS[trick].items():
            mapping[key] = {**mapping.get(key, {}), **options}
    return mapping


@pytest.mark.parametrize("trick", TRICKS)
def test_each_trick_is_another_trial_that_survives_being_written(trick: str) -> None:
    spec = TrainSpec.from_mapping(_with(trick))
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec
    assert spec.without_defaults() != TrainSpec.from_mapping(BASE).without_defaults()


def test_all_at_once_train_and_export_to_the_same_logits(tmp_path: Path) -> None:
    apart = {"warm_up", "leaky_clip", "hard_clip"}
    mapping = _with(*(trick for trick in TRICKS if trick not in apart))
    mapping["layers"] = {"order": list(model_places(TrainSpec.from_mapping(mapping).model))}
    mapping["activations"]["zero"] = 0
    result = run(TrainSpec.from_mapping(mapping), options=CPU)
    assert len(result.epochs[0].binary) == 16
    model = result.model.eval()
    assert len(activated_modules(model)) == 16
    export_packed(model, tmp_path / "net.bnn")
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(load_packed(tmp_path / "net.bnn")(images), model(images))


def test_the_blocks_of_the_tricks_learn_with_binary_inputs() -> None:
    mapping = _with("block", "prelu", "double_skip", "downsample") | {"epochs": 3}
    mapping["model"]["width_factor"] = 0.125
    mapping["layers"] = {"order": []}
    result = run(TrainSpec.from_mapping(mapping), options=CPU)
    assert result.epochs[-1].validation.accuracy > 0.7


@pytest.mark.parametrize("name", ["hard_clip", "leaky_clip"])
def test_a_stage_with_clipped_inputs_trains_and_exports(name: str, tmp_path: Path) -> None:
    result = run(TrainSpec.from_mapping(_with("block", name)), options=CPU)
    model = result.model.eval()
    export_packed(model, tmp_path / "net.bnn")
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(load_packed(tmp_path / "net.bnn")(images), model(images))


def test_all_augmentations_at_once_train_on_bytes(make_task: Callable[..., Task]) -> None:
    pixels = torch.randint(0, 256, (24, 3, 16, 16), dtype=torch.uint8)
    normalisation = Normalisation.of((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    train = Split(images=pixels, labels=torch.arange(24) % 3, normalisation=normalisation)
    mapping = {
        "crop": 2,
        "flip": True,
        "rotation": {},
        "autoaugment": {},
        "color_jitter": {},
        "lighting": {},
        "mixup": {},
    }
    losses: list[float] = []
    for _ in range(2):
        torch.manual_seed(0)
        model = build_model("bireal_resnet", width_factor=0.0625, num_classes=3)
        task = make_task(
            model=model,
            optimizer=OPTIMIZERS["adam"](model.parameters(), lr=0.01),
            schedule=LayerSchedule(),
            splits=Splits(train=train, validation=train),
            augment=Augment.from_mapping(mapping),
            batch_size=8,
        )
        losses.append(train_one_epoch(task, 0).loss)
    assert losses[0] == losses[1]
